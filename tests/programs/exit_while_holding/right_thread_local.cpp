// SPDX-License-Identifier: Apache-2.0
// Right: a thread_local guard lives as long as its thread and unlocks when it ends.
#include <mutex>
#include <thread>

#include "../program.h"

static std::mutex sessions;

static void worker() {
  thread_local std::unique_lock<std::mutex> guard(sessions);
  if (!guard.owns_lock()) _exit(1);
}

int main() {
  std::thread one(worker);
  std::thread other(worker);
  one.join();
  other.join();
  return sessions.try_lock() ? 0 : 1;
}
