// SPDX-License-Identifier: Apache-2.0
// The lock table: what it keeps across ticks, and what goes when it is full.
#include <gtest/gtest.h>

#include <algorithm>

#include "watched_host.h"

namespace lockscope::test {
namespace {

WordWaits word(const ContendedLock& lock, const Actor& who, std::uint64_t acquired, std::uint64_t ns) {
  WordWaits waits;
  waits.lock = lock;
  waits.actor = who;
  waits.waits.acquired = acquired;
  waits.waits.total_ns = waits.waits.longest_ns = ns;
  return waits;
}

TEST(LockTable, AddsUpWaits) {
  WatchedHost host;
  const WordOfProcess lock{.pid = 10, .address = 0x100};
  for (int i = 1; i <= 3; ++i) {
    host.counted.words.push_back(word(lock, actor(10), 2, static_cast<std::uint64_t>(i) * 100));
    host.tick();
  }
  const LockTable::Lock* record = host.table.find(lock);
  ASSERT_NE(record, nullptr);
  EXPECT_EQ(record->waits.acquired, 6U);
  EXPECT_EQ(record->waits.total_ns, 600U);
  EXPECT_EQ(record->waits.longest_ns, 300U);
  EXPECT_EQ(record->ticks.size(), 3U);
  EXPECT_EQ(host.table.totals().waits, 6U);
  EXPECT_FALSE(record->kind);
  host.table.learn_kind(lock, LockKind::mutex);
  EXPECT_EQ(host.table.top(5).at(0).kind, LockKind::mutex);
  EXPECT_EQ(host.table.top(5).at(0).process->pid, 10);
}

TEST(LockTable, AnotherProcessUnderThatNumberHasAnotherLock) {
  WatchedHost host;
  const WordOfProcess lock{.pid = 10, .address = 0x100};
  host.counted.words.push_back(word(lock, actor(10), 2, 100));
  host.tick();
  Actor next = actor(10);
  next.start_ns += 1;
  host.counted.words.push_back(word(lock, next, 1, 1));
  host.tick();
  EXPECT_EQ(host.table.find(lock)->waits.acquired, 1U);
}

TEST(LockTable, RemembersSoManyTicks) {
  WatchedHost host;
  for (int i = 0; i < 100; ++i) {
    host.counted.words.push_back(word(kShared, actor(10), 1, 1));
    host.tick();
  }
  const auto& ticks = host.table.find(kShared)->ticks;
  EXPECT_EQ(ticks.size(), LockTable::kTicks);
  EXPECT_EQ(ticks.back().number, 100U);
}

TEST(LockTable, TopIsByTimeWaited) {
  WatchedHost host;
  for (std::uint64_t i = 1; i <= 9; ++i) {
    host.counted.words.push_back(word(WordOfProcess{10, i}, actor(10), 1, i * 7 % 10));
  }
  host.tick();
  const auto top = host.table.top(3);
  ASSERT_EQ(top.size(), 3U);
  EXPECT_EQ(top[0].waits.total_ns, 9U);
  EXPECT_EQ(top[1].waits.total_ns, 8U);
  EXPECT_EQ(top[2].waits.total_ns, 7U);
}

TEST(LockTable, SeriesEndsWithAGrantToTheSameVictim) {
  WatchedHost host;
  const auto fail = [&](pid_t pid) {
    host.fail(actor(pid, 0, "daemon"));
    host.tick();
  };
  fail(10);
  fail(11);  // restarted
  ASSERT_EQ(host.table.failing().size(), 1U);
  EXPECT_EQ(host.table.failing()[0].series->tries, 10U);
  EXPECT_EQ(host.table.failing()[0].series->actor.pid, 11);
  host.grant(actor(50, 0, "other"));
  fail(12);
  EXPECT_EQ(host.table.failing()[0].series->tries, 15U) << "another's grant";
  host.grant(actor(13, 0, "daemon"));
  host.tick();
  EXPECT_TRUE(host.table.failing().empty());
}

TEST(LockTable, OrderWithinAWindowIsByTimeNotByEntry) {
  for (const bool failed_first : {true, false}) {
    WatchedHost host;
    FileLockUse failed = flock_use(actor(10, 0, "daemon"));
    failed.failed = 4;
    failed.first_failed_ns = host.soon(10);
    failed.last_failed_ns = host.soon(40);
    FileLockUse granted = flock_use(actor(11, 0, "daemon"));
    granted.granted_exclusive = 1;
    granted.last_granted_ns = host.soon(30);
    host.counted.file_locks = {failed, granted};
    if (!failed_first) std::swap(host.counted.file_locks[0], host.counted.file_locks[1]);
    host.tick();
    ASSERT_EQ(host.table.failing().size(), 1U);
    EXPECT_EQ(host.table.failing()[0].series->tries, 1U) << "only the last is known to have come after the grant";
    EXPECT_EQ(host.table.failing()[0].series->first_ns, host.now - kTick + 40);
  }
}

TEST(LockTable, WaitGoesOnWhileTheThreadSleeps) {
  WatchedHost host;
  LookBuilder look;
  const auto t = look.process(10);
  const auto w = look.wait_for_shared(t, 0, look.process(20));
  look.at(w).blocked_ns = kTick;
  host.tick(look);
  const std::uint64_t since = host.now - kTick;
  host.tick(look);
  const ThreadId id = look.thread_at(t).id;
  ASSERT_NE(host.table.standing(id), nullptr);
  EXPECT_EQ(host.table.standing(id)->since_ns, since);
  EXPECT_EQ(host.table.standing(id)->looks, 2U);
  look.at(w).fingerprint = 1;
  host.tick(look);
  EXPECT_EQ(host.table.standing(id)->looks, 1U) << "it ran: it may have had the mutex";
  host.tick();
  EXPECT_EQ(host.table.standing(id), nullptr);
}

TEST(LockTable, HandoverIsAGrantThatWasLetGo) {
  WatchedHost host;
  host.grant(actor(20));
  host.tick();
  host.grant(actor(20));  // again what it has
  host.tick();
  EXPECT_EQ(host.table.find(kFlock)->handovers, 0U);
  FileLockUse close = flock_use(actor(20));
  close.closed = 1;
  host.counted.file_locks.push_back(close);
  host.tick();
  EXPECT_EQ(host.table.find(kFlock)->handovers, 1U);
}

TEST(LockTable, ExposureIsTimeAndNotTheSumOfVictims) {
  WatchedHost host;
  LookBuilder look;
  for (const pid_t pid : {10, 11}) {
    const auto t = look.process(pid);
    look.thread_at(t).uid = 7;
    look.at(look.wait_for_flock(t, kFile.ino, {20})).blocked_ns = 90 * kSecond;
  }
  host.tick(look);
  EXPECT_EQ(host.table.exposure_ns(kFlock, 7), 90 * kSecond);
  EXPECT_EQ(host.table.exposure_ns(kFlock, 8), 0U);
  for (int i = 0; i < 4; ++i) host.tick(look);
  EXPECT_EQ(host.table.exposure_ns(kFlock, 7), 92 * kSecond);
}

TEST(LockTable, ExposureIsOfThePastHour) {
  WatchedHost host;
  LookBuilder look;
  const auto t = look.process(10);
  look.thread_at(t).uid = 7;
  look.at(look.wait_for_flock(t, kFile.ino, {20})).blocked_ns = 5 * 3600 * kSecond;
  host.tick(look);
  EXPECT_EQ(host.table.exposure_ns(kFlock, 7), 3600 * kSecond);
  host.now += 1800 * kSecond;
  host.tick();
  const std::uint64_t half = host.table.exposure_ns(kFlock, 7);
  EXPECT_GE(half, 1740 * kSecond);
  EXPECT_LE(half, 1860 * kSecond);
  host.now += 2000 * kSecond;
  host.tick();
  EXPECT_EQ(host.table.exposure_ns(kFlock, 7), 0U);
}

TEST(LockTable, FloodEvictsWhatIsItsOwn) {
  WatchedHost host(LockTable::Limits{.locks = 100, .uses = 100, .victims = 100});
  host.fail(actor(10, 0, "root's"));
  host.grant(actor(20, 1001), 0);  // the flooder takes root's lock too
  host.tick();
  for (std::uint64_t i = 0; i < 50; ++i) {
    for (std::uint64_t n = 0; n < 60; ++n) {
      FileLockUse use = flock_use(actor(static_cast<pid_t>(1000 + i * 60 + n), 1001, std::to_string(i * 60 + n)));
      use.file.ino = 1000 + i * 60 + n;
      use.failed = 1;
      use.first_failed_ns = use.last_failed_ns = host.soon();
      host.counted.file_locks.push_back(use);
    }
    host.tick();
    EXPECT_LE(host.table.lock_count(), 100U);
  }
  EXPECT_GT(host.table.evictions().locks, 2000U);
  EXPECT_GT(host.table.evictions().uses, 2000U);
  EXPECT_GT(host.table.evictions().victims, 2000U);
  ASSERT_NE(host.table.find(kFlock), nullptr);
  EXPECT_NE(host.table.find_use(kFlock, 10), nullptr);
  host.fail(actor(10, 0, "root's"));
  host.tick();
  const auto failing = host.table.failing();
  const auto roots = std::ranges::find_if(failing, [](const auto& f) { return f.victim->uid == 0; });
  ASSERT_NE(roots, failing.end());
  EXPECT_EQ(roots->series->tries, 10U);
}

TEST(LockTable, EvictsFirstWhatNobodyWaitsFor) {
  WatchedHost host(LockTable::Limits{.locks = 10, .uses = 1000, .victims = 1000});
  const auto use = [&](std::uint64_t inode, bool failed) {
    FileLockUse made = flock_use(actor(10));
    made.file.ino = inode;
    if (failed) {
      made.failed = 1;
      made.first_failed_ns = made.last_failed_ns = host.soon();
    } else {
      made.granted_shared = 1;
      made.last_granted_ns = host.soon();
    }
    host.counted.file_locks.push_back(made);
  };
  use(7, true);
  host.tick();
  for (std::uint64_t i = 0; i < 15; ++i) {
    use(100 + i, false);
    host.tick();
  }
  EXPECT_NE(host.table.find(kFlock), nullptr) << "the oldest, but somebody wants it";
  EXPECT_EQ(host.table.find(LockOfFile{{8, 100}, true}), nullptr);
  EXPECT_GT(host.table.evictions().locks, 0U);
}

TEST(LockTable, SurvivesTimesThatGoBackwards) {
  LockTable table;
  ContentionWindow window;
  window.begin_ns = 1000;
  window.end_ns = 10;
  FileLockUse use = flock_use(actor(1));
  use.failed = 1;
  use.first_failed_ns = 500;
  use.last_failed_ns = 5;
  window.file_locks = {use, use};
  LookBuilder look;
  const auto t = look.process(10);
  look.thread_at(t).uid = 0;
  look.at(look.wait_for_flock(t, 7, {20})).blocked_ns = ~std::uint64_t{0};
  look.sample.raw.taken_ns = 3;
  for (int i = 0; i < 3; ++i) table.absorb(window, look.sample);
  EXPECT_EQ(table.ticks(), 3U);
  EXPECT_LE(table.exposure_ns(kFlock, 0), 3600 * kSecond);
}

}  // namespace
}  // namespace lockscope::test
