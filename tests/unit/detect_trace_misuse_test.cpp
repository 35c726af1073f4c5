// SPDX-License-Identifier: Apache-2.0
// Findings of lock misuse: which of what the tracer saw is reported, as what, and how surely.
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "trace_scene.h"

namespace lockscope::test {
namespace {

struct Row {
  MisuseKind kind;
  const CatalogEntry& entry;
  const char* name;
  int cwe;
};
const Row kRows[] = {{MisuseKind::unlock_not_locked, kUnlockNotLocked, "unlock_not_locked", 832},
                     {MisuseKind::double_unlock, kDoubleUnlock, "double_unlock", 765},
                     {MisuseKind::unlock_not_owner, kUnlockNotOwner, "unlock_not_owner", 832},
                     {MisuseKind::relock, kRelock, "relock", 764},
                     {MisuseKind::destroyed_while_locked, kDestroyedWhileLocked, "destroyed_while_locked", 667},
                     {MisuseKind::exit_while_holding, kExitWhileHolding, "exit_while_holding", 667},
                     {MisuseKind::ignored_lock_failure, kIgnoredLockFailureTrace, "ignored_lock_failure", 414}};

class Misuse : public ::testing::Test {
 protected:
  Misuse() {
    scene.place(70, "lookup");
    scene.place(77, "drop(int)");
  }
  LockMisuse& misuse(MisuseKind kind) {
    LockMisuse& m = scene.misuse(kind, t, a);
    if (kind == MisuseKind::relock) m.still_waiting = true;
    return m;
  }
  TraceScene scene;
  std::size_t t = scene.thread();
  TracedLock a = scene.symbol(0x100, "g_cache");
};

TEST_F(Misuse, OfEveryKindIsFoundByItsDetectorOnly) {
  for (const Row& row : kRows) {
    scene.trace.misuses.clear();
    misuse(row.kind);
    for (const Row& other : kRows) {
      const auto found = scene.detect(other.entry);
      ASSERT_EQ(found.size(), other.kind == row.kind ? 1U : 0U) << row.name << " by " << other.name;
      if (found.empty()) continue;
      EXPECT_STREQ(found[0].kind, row.name);
      EXPECT_EQ(found[0].cwe, row.cwe);
      EXPECT_EQ(found[0].severity, row.kind == MisuseKind::relock ? Severity::critical : Severity::warning);
      EXPECT_EQ(found[0].confidence, Confidence::confirmed);
      EXPECT_EQ(found[0].misuse, 0U);
      EXPECT_NE(found[0].summary.find("g_cache"), std::string::npos) << found[0].summary;
      EXPECT_NE(found[0].summary.find("worker (100)"), std::string::npos) << found[0].summary;
      EXPECT_FALSE(found[0].hint.empty());
    }
  }
}

TEST_F(Misuse, NothingInACleanTrace) {
  scene.order(t, a, scene.at(0x200));
  for (const Row& row : kRows) EXPECT_TRUE(scene.detect(row.entry).empty()) << row.name;
}

TEST_F(Misuse, OneFindingForAClassAndAFunction) {
  for (const Row& row : kRows) {
    scene.trace.misuses.clear();
    misuse(row.kind).count = 3;
    misuse(row.kind).lock = scene.symbol(0x200, "g_cache");
    misuse(row.kind).lock = scene.symbol(0x300, "g_log");
    misuse(row.kind).site = 70;
    const auto found = scene.detect(row.entry);
    ASSERT_EQ(found.size(), 3U) << row.name;
    std::set<std::string> fingerprints;
    for (const Finding& f : found) fingerprints.insert(f.fingerprint);
    EXPECT_EQ(fingerprints.size(), 3U);
    EXPECT_EQ(found[0].evidence[0].first, "count");
    EXPECT_EQ(std::get<std::int64_t>(found[0].evidence[0].second), 4);
    EXPECT_EQ(found[1].misuse, 2U);
  }
}

TEST_F(Misuse, KeepsItsNameInAnotherRun) {
  for (const Row& row : kRows) {
    scene.trace.misuses.clear();
    misuse(row.kind);
    TraceScene later;
    later.thread();
    later.thread();
    later.trace.images[0].pid = 999;
    later.place(0x7777, "drop(int)");
    LockMisuse& m = later.misuse(row.kind, 1, later.symbol(0x9900, "g_cache"), 0x7777);
    m.still_waiting = row.kind == MisuseKind::relock;
    ASSERT_EQ(later.detect(row.entry).size(), 1U);
    EXPECT_EQ(later.detect(row.entry)[0].fingerprint, scene.detect(row.entry)[0].fingerprint) << row.name;
  }
}

TEST_F(Misuse, NotByAThreadThatIsNotThere) {
  for (const Row& row : kRows) {
    scene.trace.misuses.clear();
    misuse(row.kind).thread = 99;
    EXPECT_TRUE(scene.detect(row.entry).empty()) << row.name;
  }
}

TEST_F(Misuse, LikelyWhereEventsWereLost) {
  scene.trace.lost["ring_buffer"] = 1;
  for (const Row& row : kRows) {
    scene.trace.misuses.clear();
    misuse(row.kind);
    EXPECT_EQ(scene.detect(row.entry)[0].confidence, Confidence::likely) << row.name;
  }
}

TEST_F(Misuse, LikelyWhereItRestsOnWhatWasNotSeen) {
  scene.trace.images[0].from_start = false;
  for (const Row& row : kRows) {
    if (row.kind == MisuseKind::relock || row.kind == MisuseKind::ignored_lock_failure) continue;
    scene.trace.misuses.clear();
    LockMisuse& m = misuse(row.kind);
    EXPECT_EQ(scene.detect(row.entry)[0].confidence, Confidence::confirmed) << row.name << ": a mutex names its owner";
    m.lock_kind = LockKind::rwlock;
    EXPECT_EQ(scene.detect(row.entry)[0].confidence, Confidence::likely) << row.name;
    m.lock_kind = LockKind::spin;
    EXPECT_EQ(scene.detect(row.entry)[0].confidence, Confidence::likely) << row.name;
  }
  scene.trace.images[0].from_start = true;
  EXPECT_EQ(scene.detect(kExitWhileHolding)[0].confidence, Confidence::confirmed);
}

// Unlocking.

TEST_F(Misuse, SaysWhoHasLockedIt) {
  scene.thread(1'000, 0, "writer");
  LockMisuse& m = misuse(MisuseKind::unlock_not_owner);
  m.owner = TraceScene::kPid + 1;
  EXPECT_EQ(scene.detect(kUnlockNotOwner)[0].summary,
            "drop() unlocks g_cache in thread worker (100), but writer (100/101) has locked it");
  m.owner = 4711;
  EXPECT_NE(scene.detect(kUnlockNotOwner)[0].summary.find("but thread 4711 has"), std::string::npos);
  m.owner_comm = "gone";
  EXPECT_NE(scene.detect(kUnlockNotOwner)[0].summary.find("but gone (4711) has"), std::string::npos);
  m.owner.reset();
  m.owner_comm.clear();
  EXPECT_NE(scene.detect(kUnlockNotOwner)[0].summary.find("but another thread has"), std::string::npos);
}

TEST_F(Misuse, UnlockAfterAFailureIsThatFailure) {
  misuse(MisuseKind::ignored_lock_failure).error = EBUSY;
  for (const Row& row : {kRows[0], kRows[1], kRows[2]}) {
    scene.trace.misuses.resize(1);
    misuse(row.kind);
    EXPECT_TRUE(scene.detect(row.entry).empty()) << row.name;
    EXPECT_EQ(scene.detect(kIgnoredLockFailureTrace).size(), 1U);
    scene.trace.misuses[1].site = 70;
    EXPECT_EQ(scene.detect(row.entry).size(), 1U) << "at another place";
    scene.trace.misuses[1].site = 77;
    scene.trace.misuses[1].lock = scene.at(0x200);
    EXPECT_EQ(scene.detect(row.entry).size(), 1U) << "another lock";
    scene.trace.misuses[1].lock = a;
    scene.trace.misuses[1].thread = scene.thread();
    EXPECT_EQ(scene.detect(row.entry).size(), 1U) << "another thread";
  }
}

TEST_F(Misuse, IgnoredFailuresSayWhichError) {
  LockMisuse& m = misuse(MisuseKind::ignored_lock_failure);
  m.error = ETIMEDOUT;
  m.earlier_site = 70;
  const auto found = scene.detect(kIgnoredLockFailureTrace);
  EXPECT_EQ(found[0].summary,
            "drop() goes on as if it held g_cache: the call to lock it failed with ETIMEDOUT in lookup(), in thread "
            "worker (100)");
  m.error = EOWNERDEAD;
  EXPECT_NE(scene.detect(kIgnoredLockFailureTrace)[0].hint.find("pthread_mutex_consistent"), std::string::npos);
  m.error = 4711;
  EXPECT_NE(scene.detect(kIgnoredLockFailureTrace)[0].summary.find("error 4711"), std::string::npos);
}

// Locking again.

TEST_F(Misuse, RelockThatFailsIsAWarning) {
  LockMisuse& m = misuse(MisuseKind::relock);
  m.still_waiting = false;
  m.error = EDEADLK;
  m.lock_kind = LockKind::errorcheck_mutex;
  const auto found = scene.detect(kRelock);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].severity, Severity::warning);
  EXPECT_EQ(found[0].confidence, Confidence::confirmed);
  EXPECT_NE(found[0].summary.find("EDEADLK"), std::string::npos);
}

TEST_F(Misuse, RelockThatSomebodyEndedIsASignal) {
  misuse(MisuseKind::relock).still_waiting = false;
  EXPECT_TRUE(scene.detect(kRelock).empty());
}

TEST_F(Misuse, RelockOfALockThatIsHandedOverIsASignal) {
  misuse(MisuseKind::relock);
  misuse(MisuseKind::unlock_not_owner).thread = scene.thread();
  EXPECT_TRUE(scene.detect(kRelock).empty());
  scene.trace.misuses[1].lock = scene.at(0x200);
  EXPECT_EQ(scene.detect(kRelock).size(), 1U) << "another lock was";
}

TEST_F(Misuse, RelockThatAnotherThreadCouldEndIsLikely) {
  misuse(MisuseKind::relock);
  const std::size_t other = scene.thread();
  EXPECT_EQ(scene.detect(kRelock)[0].confidence, Confidence::likely);
  scene.trace.threads[other].ended_ns = 9'000;
  EXPECT_EQ(scene.detect(kRelock)[0].confidence, Confidence::confirmed);
  scene.trace.images[0].from_start = false;
  EXPECT_EQ(scene.detect(kRelock)[0].confidence, Confidence::likely) << "there may be threads that were not seen";
}

TEST_F(Misuse, RelockThatStillWaitsSpeaksForItsGroup) {
  LockMisuse& failed = misuse(MisuseKind::relock);
  failed.still_waiting = false;
  failed.error = EDEADLK;
  misuse(MisuseKind::relock);
  const auto found = scene.detect(kRelock);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].severity, Severity::critical);
  EXPECT_EQ(found[0].misuse, 1U);
}

// Ends.

TEST_F(Misuse, NotTheEndOfAThreadWithARobustLock) {
  misuse(MisuseKind::exit_while_holding).robust = true;
  EXPECT_TRUE(scene.detect(kExitWhileHolding).empty());
  scene.trace.misuses[0].robust = false;
  scene.trace.misuses[0].lock_kind = LockKind::robust_mutex;
  EXPECT_TRUE(scene.detect(kExitWhileHolding).empty());
}

TEST_F(Misuse, NotTheEndOfAThreadWithALockThatIsHandedOver) {
  misuse(MisuseKind::exit_while_holding);
  misuse(MisuseKind::unlock_not_owner).thread = scene.thread();
  EXPECT_TRUE(scene.detect(kExitWhileHolding).empty());
  scene.trace.misuses[1].lock = scene.at(0x200);
  EXPECT_EQ(scene.detect(kExitWhileHolding).size(), 1U) << "another lock was";
}

TEST_F(Misuse, EndOfAThreadIsNamedByWhereItTookTheLock) {
  LockMisuse& m = misuse(MisuseKind::exit_while_holding);
  m.site = 0;
  m.earlier_site = 70;
  m.mode = Mode::shared;
  const auto found = scene.detect(kExitWhileHolding);
  EXPECT_EQ(found[0].summary,
            "thread worker (100) ended while it held g_cache for reading, locked in lookup(): nobody can unlock it any "
            "more");
  m.earlier_site = 77;
  EXPECT_NE(scene.detect(kExitWhileHolding)[0].fingerprint, found[0].fingerprint);
}

TEST_F(Misuse, DestroyedByItsOwnHolder) {
  LockMisuse& m = misuse(MisuseKind::destroyed_while_locked);
  m.owner = TraceScene::kPid;
  EXPECT_EQ(scene.detect(kDestroyedWhileLocked)[0].summary,
            "drop() destroys g_cache in thread worker (100) while it holds it");
  m.owner.reset();
  EXPECT_NE(scene.detect(kDestroyedWhileLocked)[0].summary.find("somebody holds it"), std::string::npos);
}

// Long holds.

class TracedLongHold : public ::testing::Test {
 protected:
  LongHold& hold(std::uint64_t held_ns, bool waiters = false) {
    LongHold h;
    h.thread = t;
    h.lock = a;
    h.taken_site = 77;
    h.held_ns = held_ns;
    h.waiters = waiters;
    scene.trace.long_holds.push_back(h);
    return scene.trace.long_holds.back();
  }
  [[nodiscard]] std::vector<Finding> found() { return scene.detect(kTracedLongHold); }
  TraceScene scene;
  std::size_t t = scene.thread();
  TracedLock a = scene.symbol(0x100, "g_cache");
  static constexpr std::uint64_t kLong = 10'000'000'000;
};

TEST_F(TracedLongHold, WithWaiters) {
  scene.place(77, "flush()");
  hold(kLong, true);
  ASSERT_EQ(found().size(), 1U);
  EXPECT_STREQ(found()[0].kind, "long_hold");
  EXPECT_EQ(found()[0].severity, Severity::warning);
  EXPECT_EQ(found()[0].confidence, Confidence::confirmed);
  EXPECT_EQ(found()[0].traced_hold, 0U);
  EXPECT_EQ(found()[0].age_ns, kLong);
  EXPECT_EQ(found()[0].summary, "flush() held g_cache for 10 s in thread worker (100), while others waited");
}

TEST_F(TracedLongHold, NotWithoutWaitersNorAnAskedThreshold) {
  hold(kLong);
  EXPECT_TRUE(found().empty());
  scene.thresholds.long_hold_set = true;
  ASSERT_EQ(found().size(), 1U);
  EXPECT_EQ(found()[0].severity, Severity::notice);
}

TEST_F(TracedLongHold, NotShorterThanTheThreshold) {
  hold(kLong - 1, true);
  EXPECT_TRUE(found().empty());
  scene.thresholds.long_hold = std::chrono::milliseconds(5);
  EXPECT_EQ(found().size(), 1U);
}

TEST_F(TracedLongHold, TheLongestOfAClassAndAPlace) {
  hold(kLong, true);
  hold(kLong + 2);
  hold(kLong + 5, true);
  hold(kLong, true).taken_site = 70;
  hold(kLong, true).lock = scene.symbol(0x200, "g_log");
  ASSERT_EQ(found().size(), 3U);
  EXPECT_EQ(found()[0].traced_hold, 2U);
  EXPECT_NE(found()[0].summary.find("longest of 2 times"), std::string::npos) << found()[0].summary;
  EXPECT_NE(found()[0].fingerprint, found()[1].fingerprint);
  EXPECT_NE(found()[0].fingerprint, found()[2].fingerprint);
}

TEST_F(TracedLongHold, NotByAThreadThatIsNotThere) {
  hold(kLong, true).thread = 99;
  EXPECT_TRUE(found().empty());
}

TEST_F(TracedLongHold, LikelyWhereEventsWereLost) {
  hold(kLong, true);
  scene.trace.lost["ring_buffer"] = 1;
  EXPECT_EQ(found()[0].confidence, Confidence::likely);
}

}  // namespace
}  // namespace lockscope::test
