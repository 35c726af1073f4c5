// SPDX-License-Identifier: Apache-2.0
#include "source/proc_locks.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lockscope {
namespace {

constexpr FileId kFile = {0x800001, 77};

LockFields flock_by(pid_t locker, bool exclusive = true) {
  return {FileLockKind::flock, false, exclusive, locker, kFile};
}

// Descriptors of one open file description share their tens here: 30 and 31 are the same, 40 is another.
SameFile by_tens(pid_t, int a, pid_t, int b) { return a / 10 == b / 10 ? SameFile::yes : SameFile::no; }
SameFile not_permitted(pid_t, int, pid_t, int) { return SameFile::unknown; }

std::vector<pid_t> sharers_of(const HeldLock& held) {
  std::vector<pid_t> pids;
  for (const auto& sharer : held.lock.sharers) pids.push_back(sharer.pid);
  return pids;
}

TEST(GroupLocks, EveryProcessWithTheDescriptionIsASharer) {
  const auto locks =
      group_locks({flock_by(10)}, {{flock_by(10), 12, 12, 31}, {flock_by(10), 11, 11, 30, true}}, true, &by_tens);
  ASSERT_EQ(locks.size(), 1u);
  EXPECT_EQ(sharers_of(locks[0]), (std::vector<pid_t>{11, 12})) << "the locker has gone: it is none";
  EXPECT_TRUE(locks[0].lock.sharers[0].readonly);
  EXPECT_EQ(locks[0].lock.locker, 10);
  EXPECT_FALSE(locks[0].lock.other_references);
}

TEST(GroupLocks, EqualLinesOfTwoDescriptionsAreTwoLocks) {
  const LockFields shared = flock_by(10, false);
  const auto locks =
      group_locks({shared, shared}, {{shared, 10, 10, 30}, {shared, 10, 10, 40}, {shared, 11, 11, 41}}, true, &by_tens);
  ASSERT_EQ(locks.size(), 2u);
  EXPECT_NE(locks[0].lock.owner, locks[1].lock.owner);
  EXPECT_EQ(sharers_of(locks[0]), (std::vector<pid_t>{10}));
  EXPECT_EQ(sharers_of(locks[1]), (std::vector<pid_t>{10, 11}));
}

TEST(GroupLocks, WhatCannotBeToldApartIsSharedByAllAndSaysSo) {
  const LockFields shared = flock_by(10, false);
  const auto locks = group_locks({shared, shared}, {{shared, 10, 10, 30}, {shared, 11, 11, 40}}, true, &not_permitted);
  ASSERT_EQ(locks.size(), 2u);
  for (const auto& held : locks) EXPECT_TRUE(held.lock.other_references);
  EXPECT_TRUE(std::ranges::any_of(locks, [](const auto& held) { return sharers_of(held).size() == 2; }));
}

TEST(GroupLocks, OneLineNeedsNoComparison) {
  const auto locks =
      group_locks({flock_by(10)}, {{flock_by(10), 11, 11, 30}, {flock_by(10), 12, 12, 40}}, true, &not_permitted);
  ASSERT_EQ(locks.size(), 1u);
  EXPECT_EQ(sharers_of(locks[0]), (std::vector<pid_t>{11, 12}));
  EXPECT_FALSE(locks[0].lock.other_references);
}

TEST(GroupLocks, ALockWithoutADescriptorHasHoldersOutOfSight) {
  const auto locks = group_locks({flock_by(10)}, {}, true, &by_tens);
  ASSERT_EQ(locks.size(), 1u);
  EXPECT_TRUE(locks[0].lock.sharers.empty());
  EXPECT_TRUE(locks[0].lock.other_references);
}

TEST(GroupLocks, WithAProcessOutOfSightAnyLockMayBeItsToo) {
  const auto locks = group_locks({flock_by(10)}, {{flock_by(10), 10, 10, 30}}, false, &by_tens);
  ASSERT_EQ(locks.size(), 1u);
  EXPECT_TRUE(locks[0].lock.other_references);
}

TEST(GroupLocks, APosixLockBelongsToItsProcess) {
  const LockFields line = {FileLockKind::posix, false, true, 10, kFile, 0, 9};
  const auto locks = group_locks({line}, {{line, 10, 10, 30}, {line, 10, 10, 40}}, true, &by_tens);
  ASSERT_EQ(locks.size(), 1u) << "two descriptors, one owner";
  EXPECT_EQ(locks[0].lock.owner, 10u);
  EXPECT_EQ(locks[0].lock.end, 9u);
}

TEST(FileOfWaiter, IsThatOfItsOwnLine) {
  LockFields line = flock_by(20);
  line.waits = true;
  LockFields others = flock_by(21);
  others.waits = true;
  others.file.ino = 78;
  EXPECT_EQ(file_of_waiter({flock_by(10), line, others}, FileLockKind::flock, true, 20, 77), kFile);
  EXPECT_FALSE(file_of_waiter({flock_by(20)}, FileLockKind::flock, true, 20, 77)) << "that one holds";
  EXPECT_FALSE(file_of_waiter({line}, FileLockKind::flock, true, 20, 78)) << "another inode";
  EXPECT_FALSE(file_of_waiter({line}, FileLockKind::ofd, true, -1, 77));
}

TEST(FileOfWaiter, IsUnknownWhereTwoFilesCouldBeMeant) {
  LockFields one = {FileLockKind::ofd, true, true, -1, kFile};
  LockFields two = one;
  two.file.dev = 0x800002;
  EXPECT_EQ(file_of_waiter({one, one}, FileLockKind::ofd, true, -1, 77), kFile);
  EXPECT_FALSE(file_of_waiter({one, two}, FileLockKind::ofd, true, -1, 77));
}

}  // namespace
}  // namespace lockscope
