// SPDX-License-Identifier: Apache-2.0
// Wrong: tries for a while, adopts the lock in any case.
#include <chrono>
#include <mutex>
#include <thread>

#include "../program.h"

static std::timed_mutex sessions;
static sem_t locked, unlocked;

NOT_INLINE static int log_out() {
  (void)sessions.try_lock_for(std::chrono::milliseconds(20));
  std::lock_guard<std::timed_mutex> guard(sessions, std::adopt_lock);
  return getpid() > 0 ? 0 : 1;
}

int main() {
  std::thread worker([] {
    sessions.lock();
    pass(&locked);
    wait_for(&unlocked);
  });
  wait_for(&locked);
  int result = log_out();
  pass(&unlocked);
  worker.join();
  return result;
}
