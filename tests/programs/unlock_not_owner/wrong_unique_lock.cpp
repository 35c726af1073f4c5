// SPDX-License-Identifier: Apache-2.0
// Wrong: a unique lock is moved to another thread, which unlocks it; the mutex belongs to the thread that locked it.
#include <mutex>
#include <thread>

#include "../program.h"

static std::mutex sessions;

NOT_INLINE static int give_away() {
  std::unique_lock<std::mutex> guard(sessions);
  std::thread other([moved = std::move(guard)]() mutable { moved.unlock(); });
  other.join();
  return guard.owns_lock() ? 1 : 0;
}

int main() { return give_away(); }
