// SPDX-License-Identifier: Apache-2.0
// Right: unique locks that are unlocked early, moved, released and adopted; a second unlock is refused with an
// exception before it gets to the mutex. Exceptions pass through lock guards.
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "../program.h"

static std::mutex sessions;
static std::recursive_mutex users;

static std::unique_lock<std::mutex> begin() {
  std::unique_lock<std::mutex> guard(sessions);
  return guard;
}

static bool refused() {
  std::unique_lock<std::mutex> guard = begin();
  guard.unlock();
  try {
    guard.unlock();
  } catch (const std::system_error&) {
    return true;
  }
  return false;
}

static void thrower(int depth) {
  std::lock_guard<std::recursive_mutex> guard(users);
  if (depth == 0) throw std::runtime_error("enough");
  thrower(depth - 1);
}

static void work() {
  for (int i = 0; i < 20; ++i) {
    if (!refused()) _exit(1);
    try {
      std::lock_guard<std::mutex> outer(sessions);
      thrower(5);
    } catch (const std::runtime_error&) {
    }
    std::unique_lock<std::mutex> first = begin();
    std::unique_lock<std::mutex> second = std::move(first);
    second.release();
    std::unique_lock<std::mutex> third(sessions, std::adopt_lock);
  }
}

int main() { AT_ONCE(work, work); }
