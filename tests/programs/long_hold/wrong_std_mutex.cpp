// SPDX-License-Identifier: Apache-2.0
// Wrong by the threshold of 200 ms: a lock guard over a slow call.
#include <chrono>
#include <mutex>
#include <thread>

#include "../program.h"

static std::mutex sessions;
static sem_t locked;

NOT_INLINE static void save() {
  std::lock_guard<std::mutex> guard(sessions);
  pass(&locked);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
}

int main() {
  std::thread worker(save);
  wait_for(&locked);
  { std::lock_guard<std::mutex> guard(sessions); }
  worker.join();
}
