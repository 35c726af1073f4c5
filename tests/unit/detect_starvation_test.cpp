// SPDX-License-Identifier: Apache-2.0
// starvation: passed over, not only slow. Process 10 waits while 20 and 30 hand the lock to each other.
#include <gtest/gtest.h>

#include <functional>

#include "watched_host.h"

namespace lockscope::test {
namespace {

class StarvationDetected : public ::testing::Test {
 protected:
  StarvationDetected() { begin_look(); }
  void begin_look() {
    look = LookBuilder();
    waiter = look.thread(10, 10, "loser");
    owner = look.thread(10, 11, "first");
    other = look.thread(10, 12, "second");
    look.process(20);
    look.process(30);
  }
  // It waits for the flock, woken by each handover and passed over again.
  void wait_for_flock(int ticks, std::uint64_t handovers_each) {
    const auto w = look.wait_for_flock(waiter, kFile.ino, {20});
    look.at(w).blocked_ns = 0;
    for (int i = 0; i < ticks; ++i) {
      look.at(w).fingerprint = host.now;
      for (std::uint64_t n = 0; n < handovers_each; ++n) host.grant(actor(n % 2 == 0 ? 20 : 30), 1);
      host.tick(look);
    }
  }
  // In each look another thread owns the mutex, or always the same.
  void wait_for_mutex(int ticks, bool changes) {
    for (int i = 0; i < ticks; ++i) {
      begin_look();
      const auto w = look.wait_for(waiter, 0x100, changes && i % 2 != 0 ? other : owner);
      look.at(w).blocked_ns = static_cast<std::uint64_t>(i) * kTick;
      change(look.at(w));
      host.tick(look);
    }
  }
  [[nodiscard]] std::vector<Finding> found() { return host.detect(kStarvation); }

  WatchedHost host;
  LookBuilder look;
  std::function<void(Wait&)> change = [](Wait&) {};
  std::size_t waiter = 0;
  std::size_t owner = 0;
  std::size_t other = 0;
};

TEST_F(StarvationDetected, OnAFileLock) {
  wait_for_flock(12, 2);
  ASSERT_EQ(found().size(), 1U);
  EXPECT_STREQ(found()[0].kind, "starvation");
  EXPECT_EQ(found()[0].severity, Severity::warning);
  EXPECT_EQ(found()[0].waiters, std::vector<std::size_t>{0});
  EXPECT_EQ(evidence_number(found()[0], "handovers"), 22);
  EXPECT_EQ(found()[0].age_ns, 11 * kTick);
  EXPECT_EQ(found()[0].summary,
            "loser (10) waits for flock on inode 7 and is passed over: it changed hands 22 times in 5 s");
}

TEST_F(StarvationDetected, OnAMutexByItsOwners) {
  wait_for_mutex(12, true);
  ASSERT_EQ(found().size(), 1U);
  EXPECT_EQ(evidence_number(found()[0], "handovers"), 11);
  EXPECT_EQ(evidence_text(found()[0], "counted_by"), "looks");
}

TEST_F(StarvationDetected, NotBelowTheThreshold) {
  wait_for_flock(10, 2);
  EXPECT_TRUE(found().empty());
}

TEST_F(StarvationDetected, NotIfTheLockStaysWhereItIs) {
  wait_for_flock(30, 0);
  EXPECT_TRUE(found().empty());
  wait_for_mutex(30, false);
  EXPECT_TRUE(found().empty());
}

TEST_F(StarvationDetected, NotIfTheHolderTakesAgainWhatItHolds) {
  const auto w = look.wait_for_flock(waiter, kFile.ino, {20});
  look.at(w).blocked_ns = 0;
  for (int i = 0; i < 30; ++i) {
    host.grant(actor(20));
    host.tick(look);
  }
  EXPECT_TRUE(found().empty());
}

TEST_F(StarvationDetected, NotIfItGotTheLockInBetween) {
  for (int i = 0; i < 5; ++i) {
    begin_look();
    wait_for_flock(6, 2);
    host.grant(actor(10), 1);
  }
  EXPECT_TRUE(found().empty());
}

TEST_F(StarvationDetected, NotIfTheThreadOfAMutexWasAwake) {
  std::uint64_t n = 0;
  change = [&](Wait& wait) {
    wait.fingerprint = ++n;
    wait.blocked_ns = 0;
  };
  wait_for_mutex(30, true);
  EXPECT_TRUE(found().empty());
}

TEST_F(StarvationDetected, NotInAQueueThatIsServedInTurn) {
  for (pid_t pid = 40; pid < 60; ++pid) {
    const auto w = look.wait_for_flock(look.process(pid), kFile.ino, {20});
    look.at(w).blocked_ns = 0;
  }
  wait_for_flock(12, 2);
  EXPECT_TRUE(found().empty());
  begin_look();
  wait_for_flock(20, 2);
  EXPECT_FALSE(found().empty()) << "the queue is gone and it still waits";
}

TEST_F(StarvationDetected, NotForBytesOfAFileThatOthersDoNotWant) {
  const auto w = look.wait_for_flock(waiter, kFile.ino, {20});
  look.at(w).kind = LockKind::posix;
  look.at(w).file_lock = FileLockKind::posix;
  look.at(w).lock.place = FileRange{kFile, false};
  look.at(w).range_end = 99;
  look.at(w).blocked_ns = 0;
  for (int i = 0; i < 30; ++i) {
    FileLockUse use = flock_use(actor(20));
    use.kind = FileLockKind::posix;
    use.granted_exclusive = use.released = 9;
    host.counted.file_locks.push_back(use);
    host.tick(look);
  }
  EXPECT_TRUE(found().empty());
  look.at(w).range_end = ~std::uint64_t{0};
  host.tick(look);
  EXPECT_FALSE(found().empty());
}

TEST_F(StarvationDetected, NotForASignal) {
  for (const LockKind kind : {LockKind::cond, LockKind::sem, LockKind::barrier, LockKind::futex, LockKind::join}) {
    host.table = LockTable();
    change = [&](Wait& wait) { wait.kind = kind; };
    wait_for_mutex(20, true);
    EXPECT_TRUE(found().empty()) << name_of(kind);
  }
}

TEST_F(StarvationDetected, NotInASingleSnapshot) {
  look.wait_for_flock(waiter, kFile.ino, {20});
  EXPECT_TRUE(look.detect(kStarvation).empty());
}

}  // namespace
}  // namespace lockscope::test
