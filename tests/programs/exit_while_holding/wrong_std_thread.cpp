// SPDX-License-Identifier: Apache-2.0
// Wrong: a std::thread locks a std::mutex by hand and returns early.
#include <mutex>
#include <thread>

#include "../program.h"

static std::mutex sessions;

NOT_INLINE static bool log_in(bool known) {
  sessions.lock();
  if (!known) return false;
  sessions.unlock();
  return true;
}

int main() {
  bool known = false;
  std::thread([&] { known = log_in(true); }).join();
  std::thread([&] { known = log_in(false); }).join();
  return known || sessions.try_lock() ? 1 : 0;
}
