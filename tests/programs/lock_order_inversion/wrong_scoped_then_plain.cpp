// SPDX-License-Identifier: Apache-2.0
// Wrong: std::scoped_lock takes its locks without deadlock among themselves, but not with what the thread holds
// already.
#include <mutex>

#include "../program.h"

static std::mutex journal;
static std::mutex blocks;
static std::mutex inodes;

static void commit() {
  std::lock_guard<std::mutex> outer(journal);
  std::scoped_lock both(blocks, inodes);
}

static void allocate() {
  std::scoped_lock both(inodes, blocks);
  std::lock_guard<std::mutex> inner(journal);
}

int main() { IN_TURN(commit, allocate); }
