// SPDX-License-Identifier: Apache-2.0
// Wrong: a shared lock, then a mutex; elsewhere the mutex, then the exclusive lock.
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "../program.h"

static std::shared_mutex routes;
static std::recursive_mutex neighbours;
static sem_t looked_up, announced;

NOT_INLINE static void look_up() {
  std::shared_lock<std::shared_mutex> reading(routes);
  std::lock_guard<std::recursive_mutex> guard(neighbours);
}

NOT_INLINE static void announce() {
  std::unique_lock<std::recursive_mutex> guard(neighbours);
  std::unique_lock<std::shared_mutex> writing(routes);
}

int main() {
  std::thread reader([] {
    look_up();
    pass(&looked_up);
    wait_for(&announced);
  });
  std::thread writer([] {
    wait_for(&looked_up);
    announce();
    pass(&announced);
  });
  reader.join();
  writer.join();
}
