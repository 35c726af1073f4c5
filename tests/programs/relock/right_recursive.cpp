// SPDX-License-Identifier: Apache-2.0
// Right: std::recursive_mutex and std::recursive_timed_mutex, taken many times over.
#include <chrono>
#include <mutex>

#include "../program.h"

static std::recursive_mutex tree;
static std::recursive_timed_mutex forest;

static void walk(int depth) {
  std::lock_guard<std::recursive_mutex> guard(tree);
  std::unique_lock<std::recursive_timed_mutex> timed(forest, std::chrono::seconds(20));
  if (depth > 0) walk(depth - 1);
}

static void deep() { walk(50); }

int main() { AT_ONCE(deep, deep, deep); }
