// SPDX-License-Identifier: Apache-2.0
// Right: a std::timed_mutex, std::recursive_timed_mutex and std::shared_timed_mutex, taken in every way there is.
#include <chrono>
#include <mutex>
#include <shared_mutex>

#include "../program.h"

static std::timed_mutex timed;
static std::recursive_timed_mutex recursive;
static std::shared_timed_mutex shared;

static void work() {
  using std::chrono::seconds, std::chrono::steady_clock, std::chrono::system_clock;
  for (int i = 0; i < 50; ++i) {
    if (timed.try_lock_for(seconds(20))) timed.unlock();
    if (timed.try_lock_until(system_clock::now() + seconds(20))) timed.unlock();
    if (timed.try_lock()) timed.unlock();
    std::unique_lock<std::recursive_timed_mutex> outer(recursive, seconds(20));
    std::unique_lock<std::recursive_timed_mutex> inner(recursive, steady_clock::now() + seconds(20));
    if (!outer || !inner) _exit(1);
    std::shared_lock<std::shared_timed_mutex> reading(shared, seconds(20));
    if (!reading) _exit(1);
    reading.unlock();
    std::unique_lock<std::shared_timed_mutex> writing(shared, std::try_to_lock);
  }
}

int main() { AT_ONCE(work, work); }
