// SPDX-License-Identifier: Apache-2.0
// Right: std::unique_lock with try_to_lock and with a time limit, looked at before use.
#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "../program.h"

static std::timed_mutex sessions;
static std::shared_mutex routes;
static sem_t locked, tried;

int main() {
  std::thread worker([] {
    std::lock_guard<std::timed_mutex> guard(sessions);
    std::shared_lock<std::shared_mutex> reading(routes);
    pass(&locked);
    wait_for(&tried);
  });
  wait_for(&locked);
  int failed = 0;
  {
    std::unique_lock<std::timed_mutex> first(sessions, std::try_to_lock);
    failed += first ? 0 : 1;
    std::unique_lock<std::timed_mutex> second(sessions, std::chrono::milliseconds(10));
    failed += second ? 0 : 1;
    std::unique_lock<std::shared_mutex> third(routes, std::try_to_lock);
    failed += third ? 0 : 1;
    std::shared_lock<std::shared_mutex> fourth(routes, std::try_to_lock);
    failed += fourth ? 0 : 1;
  }
  pass(&tried);
  worker.join();
  std::unique_lock<std::timed_mutex> last(sessions, std::try_to_lock);
  return failed == 3 && last ? 0 : 1;
}
