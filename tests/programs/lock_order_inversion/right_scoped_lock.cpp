// SPDX-License-Identifier: Apache-2.0
// Right: std::scoped_lock and std::lock take the same locks, written in different orders. They wait for one and only
// try the others, so no order of theirs can hang.
#include <mutex>

#include "../program.h"

static std::mutex first;
static std::mutex second;
static std::recursive_mutex third;
static long sum;

static void in_order() {
  for (int i = 0; i < 200; ++i) {
    std::scoped_lock all(first, second, third);
    ++sum;
  }
}

static void in_another() {
  for (int i = 0; i < 200; ++i) {
    std::scoped_lock all(third, first, second);
    ++sum;
  }
}

static void by_function() {
  for (int i = 0; i < 200; ++i) {
    std::lock(second, third, first);
    std::lock_guard<std::mutex> guard_second(second, std::adopt_lock);
    std::lock_guard<std::recursive_mutex> guard_third(third, std::adopt_lock);
    std::lock_guard<std::mutex> guard_first(first, std::adopt_lock);
    ++sum;
  }
}

static void swapped() {
  for (int i = 0; i < 200; ++i) {
    std::unique_lock<std::mutex> one(second, std::defer_lock), other(first, std::defer_lock);
    std::lock(one, other);
    ++sum;
  }
}

int main() {
  AT_ONCE(in_order, in_another, by_function, swapped);
  IN_TURN(in_order, in_another, by_function, swapped);
  return sum == 1600 ? 0 : 1;
}
