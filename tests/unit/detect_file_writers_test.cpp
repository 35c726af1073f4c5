// SPDX-License-Identifier: Apache-2.0
// ignored_lock_failure and unlocked_write: process 10 writes a file that process 20 has locked.
#include <gtest/gtest.h>

#include "watched_host.h"

namespace lockscope::test {
namespace {

class FileWriter : public ::testing::Test {
 protected:
  FileWriter() {
    look.process(5, "parent");
    look.process(10, "writer");
    look.process(20, "locker");
    look.hold_flock(kFile.ino, {20});
  }
  void write(std::uint64_t against_flock = 3, std::uint64_t first = 10) {
    FileWrites writes;
    writes.actor = actor(10, 1001, "writer");
    writes.file = kFile;
    writes.writes = 9;
    writes.against_flock = against_flock;
    writes.locker = 20;
    writes.first_ns = host.soon(first);
    writes.last_ns = host.soon(kTick - 1);
    host.counted.writes.push_back(writes);
  }
  void tick() { host.tick(look); }
  void fail_and_write() {
    host.fail(actor(10, 1001, "writer"));
    tick();
    write();
    tick();
  }
  [[nodiscard]] std::vector<Finding> ignored() { return host.detect(kIgnoredLockFailure); }
  [[nodiscard]] std::vector<Finding> unlocked() { return host.detect(kUnlockedWrite); }
  [[nodiscard]] bool nothing() { return ignored().empty() && unlocked().empty(); }

  WatchedHost host;
  LookBuilder look;
};

TEST_F(FileWriter, ThatNeverAsked) {
  write();
  tick();
  ASSERT_EQ(unlocked().size(), 1U);
  EXPECT_TRUE(ignored().empty());
  const Finding finding = unlocked()[0];
  EXPECT_STREQ(finding.kind, "unlocked_write");
  EXPECT_EQ(finding.cwe, 413);
  EXPECT_EQ(finding.confidence, Confidence::likely);
  EXPECT_EQ(finding.holders, std::vector<pid_t>{20});
  EXPECT_EQ(finding.summary,
            "writer (10) wrote inode 7 3 times without its flock, which locker (20) holds exclusively");
}

TEST_F(FileWriter, ThatFailedAndWroteAllTheSame) {
  fail_and_write();
  ASSERT_EQ(ignored().size(), 1U);
  EXPECT_TRUE(unlocked().empty());
  const Finding finding = ignored()[0];
  EXPECT_STREQ(finding.kind, "ignored_lock_failure");
  EXPECT_EQ(finding.cwe, 414);
  EXPECT_EQ(finding.failing.at(0).tries, 5U);
  EXPECT_EQ(finding.lock->lock, ContendedLock{kFlock});
}

TEST_F(FileWriter, ThatFailedIsFoundAlsoWhenTheLockIsGoneByNow) {
  host.fail(actor(10, 1001, "writer"));
  tick();
  write();
  look.sample.raw.file_locks.clear();
  tick();
  EXPECT_EQ(ignored().size(), 1U);
}

TEST_F(FileWriter, ThatDidNotMeetTheLock) {
  write(0);
  tick();
  EXPECT_TRUE(nothing());
}

TEST_F(FileWriter, ThatWroteBeforeItFailed) {
  host.fail(actor(10, 1001, "writer"));
  write(3, 0);
  tick();
  EXPECT_TRUE(nothing());
}

TEST_F(FileWriter, ThatWasGrantedTheLockBefore) {
  host.grant(actor(10, 1001, "writer"), 1);
  tick();
  write();
  tick();
  EXPECT_TRUE(nothing()) << "what is left in its buffers";
  host.grant(actor(10, 1001, "writer"), 1);
  fail_and_write();
  EXPECT_TRUE(nothing());
}

TEST_F(FileWriter, ThatSharesTheLock) {
  look.sample.raw.file_locks[0].sharers = {{.pid = 10}, {.pid = 20}};
  fail_and_write();
  EXPECT_TRUE(nothing());
}

TEST_F(FileWriter, ThatHoldsTheFileByAnotherKindOfLock) {
  FileLock other = look.sample.raw.file_locks[0];
  other.kind = FileLockKind::posix;
  other.sharers = {{.pid = 10}};
  look.sample.raw.file_locks.push_back(other);
  fail_and_write();
  EXPECT_TRUE(nothing());
}

TEST_F(FileWriter, WhoseParentHoldsTheLock) {
  look.thread_at(1).parent_pid = 20;
  fail_and_write();
  EXPECT_TRUE(nothing());
  look.thread_at(1).parent_pid = 5;
  look.thread_at(0).parent_pid = 20;
  fail_and_write();
  EXPECT_TRUE(nothing()) << "a grandparent";
}

TEST_F(FileWriter, WhoseChildHoldsTheLock) {
  look.thread_at(2).parent_pid = 10;
  fail_and_write();
  EXPECT_TRUE(nothing());
}

TEST_F(FileWriter, OfAPartThatNobodyLocked) {
  look.sample.raw.file_locks[0].end = 99;
  write();
  tick();
  EXPECT_TRUE(nothing());
  look.sample.raw.file_locks[0].end = ~std::uint64_t{0};
  look.sample.raw.file_locks[0].exclusive = false;
  write();
  tick();
  EXPECT_TRUE(nothing());
}

TEST_F(FileWriter, OfATerminal) {
  host.facts.places[kFile].file.mode = 0020620;
  fail_and_write();
  EXPECT_TRUE(nothing());
}

TEST_F(FileWriter, OfAnotherProcessUnderThatNumber) {
  Actor before = actor(10, 1001, "writer");
  before.start_ns = 1;
  host.fail(before);
  tick();
  write();
  tick();
  EXPECT_TRUE(ignored().empty());
}

TEST_F(FileWriter, WhereTheLocksWereNotRead) {
  look.sample.raw.file_locks_complete = false;
  fail_and_write();
  EXPECT_TRUE(nothing());
}

TEST_F(FileWriter, OfAnEarlierWindow) {
  fail_and_write();
  tick();
  EXPECT_TRUE(nothing());
}

}  // namespace
}  // namespace lockscope::test
