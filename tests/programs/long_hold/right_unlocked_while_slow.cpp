// SPDX-License-Identifier: Apache-2.0
// Right: a unique lock is unlocked around what is slow.
#include <mutex>

#include "../program.h"

static std::mutex sessions;

static void save() {
  std::unique_lock<std::mutex> guard(sessions);
  guard.unlock();
  pause_ms(300);
  guard.lock();
}

int main() { AT_ONCE(save, save); }
