// SPDX-License-Identifier: Apache-2.0
// lock_convoy: a queue in every tick, and a lock that is handed on.
#include <gtest/gtest.h>

#include "watched_host.h"

namespace lockscope::test {
namespace {

constexpr WordOfProcess kWord{.pid = 10, .address = 0x100};

class ConvoyDetected : public ::testing::Test {
 protected:
  // Half a second in which so many waits ended, that took so long together.
  void tick(std::uint64_t ended, std::uint64_t wait_ns, const ContendedLock& lock = kWord) {
    WordWaits word;
    word.actor = actor(10, 0, "busy");
    word.lock = lock;
    word.waits.acquired = ended;
    word.waits.total_ns = wait_ns;
    host.counted.words.push_back(word);
    host.tick();
  }
  void run(int ticks, std::uint64_t ended = 100, std::uint64_t wait_ns = 3 * kTick) {
    for (int i = 0; i < ticks; ++i) tick(ended, wait_ns);
  }
  [[nodiscard]] std::vector<Finding> found() { return host.detect(kLockConvoy); }
  WatchedHost host;
};

TEST_F(ConvoyDetected, OfAMutex) {
  host.table.learn_kind(kWord, LockKind::mutex);
  run(10);
  ASSERT_EQ(found().size(), 1U);
  EXPECT_STREQ(found()[0].kind, "lock_convoy");
  EXPECT_EQ(found()[0].severity, Severity::notice);
  EXPECT_EQ(found()[0].lock->lock, ContendedLock{kWord});
  EXPECT_EQ(
      found()[0].summary,
      "the mutex 0x100 of busy (10) is never without a queue: 3.0 threads wait for it on average, 200 waits end a "
      "second, for at least 5 s");
}

TEST_F(ConvoyDetected, OfAFileLock) {
  for (int i = 0; i < 10; ++i) {
    FileLockUse use = flock_use(actor(10));
    use.waits.acquired = 60;
    use.waits.total_ns = 2 * kTick;
    host.counted.file_locks.push_back(use);
    host.tick();
  }
  EXPECT_EQ(found().size(), 1U);
}

TEST_F(ConvoyDetected, KeepsItsName) {
  host.table.learn_kind(kWord, LockKind::mutex);
  run(10);
  const std::string name = found()[0].fingerprint;
  run(40);
  EXPECT_EQ(found()[0].fingerprint, name);
}

TEST_F(ConvoyDetected, NotOfUnknownKindNorOfASignal) {
  run(20);
  EXPECT_TRUE(found().empty());
  for (const LockKind kind : {LockKind::cond, LockKind::barrier, LockKind::sem, LockKind::futex}) {
    host.table.learn_kind(kWord, kind);
    run(1);
    EXPECT_TRUE(found().empty()) << name_of(kind);
  }
  host.table.learn_kind(kWord, LockKind::rwlock);
  run(1);
  EXPECT_FALSE(found().empty());
}

TEST_F(ConvoyDetected, NotForAMoment) {
  host.table.learn_kind(kWord, LockKind::mutex);
  run(9);
  EXPECT_TRUE(found().empty());
}

TEST_F(ConvoyDetected, NotIfTheQueueIsEmptyNowAndThen) {
  host.table.learn_kind(kWord, LockKind::mutex);
  for (int i = 0; i < 10; ++i) {
    run(8);
    tick(100, kTick);
    EXPECT_TRUE(found().empty());
  }
}

TEST_F(ConvoyDetected, NotIfATickHadNoWaitAtAll) {
  host.table.learn_kind(kWord, LockKind::mutex);
  for (int i = 0; i < 10; ++i) {
    run(8);
    EXPECT_TRUE(found().empty());
    host.tick();
    EXPECT_TRUE(found().empty()) << "nothing in the last tick";
  }
}

TEST_F(ConvoyDetected, NotOfAnIdlePool) {
  host.table.learn_kind(kWord, LockKind::mutex);
  run(20, 10, 30 * kTick);
  EXPECT_TRUE(found().empty());
}

TEST_F(ConvoyDetected, NotOfAShortQueue) {
  host.table.learn_kind(kWord, LockKind::mutex);
  run(20, 10'000, kTick * 19 / 10);
  EXPECT_TRUE(found().empty());
}

TEST_F(ConvoyDetected, NotInASingleSnapshot) { EXPECT_TRUE(LookBuilder().detect(kLockConvoy).empty()); }

}  // namespace
}  // namespace lockscope::test
