// SPDX-License-Identifier: Apache-2.0
// long_hold: only where the operator asked, or where a stopped holder stands in the way.
#include <gtest/gtest.h>

#include "look_builder.h"

namespace lockscope::test {
namespace {

using Waits = std::vector<std::size_t>;

class LongHoldDetected : public ::testing::Test {
 protected:
  LongHoldDetected() {
    holder = look.thread(10, 11, "holder");
    waiter = look.thread(10, 12, "waiter");
    set.long_hold_set = true;
  }
  std::size_t wait(std::uint64_t blocked_seconds = 12) {
    const auto w = look.wait_for(waiter, 0x100, holder);
    look.at(w).blocked_ns = blocked_seconds * kSecond;
    return w;
  }
  void stop(std::size_t thread) { look.sample.raw.threads[thread].state = ThreadState::stopped; }
  [[nodiscard]] Finding only_finding(const Thresholds& thresholds) const {
    const auto findings = look.detect(kLongHold, thresholds);
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? Finding{} : findings.front();
  }
  [[nodiscard]] bool nothing(const Thresholds& thresholds) const { return look.detect(kLongHold, thresholds).empty(); }
  LookBuilder look;
  Thresholds set;
  Thresholds unset;
  std::size_t holder = 0;
  std::size_t waiter = 0;
};

TEST_F(LongHoldDetected, BeyondTheThresholdThatWasSet) {
  const auto w = wait();
  look.sample.raw.threads[holder].state = ThreadState::blocked;
  look.sample.raw.threads[holder].syscall = 35;
  const Finding finding = only_finding(set);
  EXPECT_STREQ(finding.kind, "long_hold");
  EXPECT_EQ(finding.cwe, 667);
  EXPECT_EQ(finding.severity, Severity::warning);
  EXPECT_EQ(finding.waiters, Waits{w});
  EXPECT_EQ(finding.age_ns, 12 * kSecond);
  EXPECT_EQ(finding.summary,
            "holder (10/11) holds mutex 0x100 and sleeps in nanosleep, while 1 thread waits for it, for at least 12 s");
}

TEST_F(LongHoldDetected, ByAStoppedHolderAfterASecond) {
  wait(1);
  stop(holder);
  const Finding finding = only_finding(unset);
  EXPECT_NE(finding.summary.find("is stopped"), std::string::npos);
  EXPECT_NE(finding.hint.find("kill -CONT 10"), std::string::npos);
}

TEST_F(LongHoldDetected, ByAStoppedProcess) {
  look.wait_for_flock(waiter, 7, {20});
  stop(look.thread(20, 20));
  stop(look.thread(20, 21));
  EXPECT_EQ(only_finding(unset).waiters, Waits{0});
}

TEST_F(LongHoldDetected, AllWaitersOfALockAreOneFinding) {
  const auto a = wait(12);
  const auto b = look.wait_for(look.thread(10, 13), 0x100, holder);
  look.at(b).blocked_ns = kSecond;
  EXPECT_EQ(only_finding(set).waiters, (Waits{a, b}));
}

TEST_F(LongHoldDetected, TimedWaitersCount) {
  look.at(wait()).timed = true;
  EXPECT_FALSE(nothing(set));
}

TEST_F(LongHoldDetected, WhoWaitsBehindAWaiterIsAVictim) {
  const auto w = wait();
  const auto behind = look.wait_for(look.thread(10, 13), 0x200, waiter);
  const auto far = look.wait_for(look.thread(10, 14), 0x300, 2);
  const Finding finding = only_finding(set);
  EXPECT_EQ(finding.waiters, Waits{w});
  EXPECT_EQ(finding.victims, (Waits{behind, far}));
}

TEST_F(LongHoldDetected, WaiterThatHoldsLongerThanItWaitsIsItsOwnRoot) {
  wait(1);
  const auto behind = look.wait_for(look.thread(10, 13), 0x200, waiter);
  const Finding finding = only_finding(set);
  EXPECT_EQ(finding.waiters, Waits{behind});
  EXPECT_NE(finding.summary.find("waiter (10/12) holds mutex 0x200 and itself waits for mutex 0x100"),
            std::string::npos);
}

TEST_F(LongHoldDetected, AnInertHolderIsNamedIfAsked) {
  wait();
  look.make_inert(holder);
  EXPECT_FALSE(nothing(set));
  EXPECT_TRUE(nothing(unset));
}

TEST_F(LongHoldDetected, LongChainIsOneFinding) {
  wait();
  constexpr std::size_t count = 10'000;
  for (std::size_t i = 0; i < count; ++i) {
    look.wait_for(look.thread(10, static_cast<pid_t>(100 + i)), 0x1000 + i, 1 + i);
  }
  EXPECT_EQ(only_finding(set).victims.size(), count);
}

TEST_F(LongHoldDetected, NotUnlessAsked) {
  wait(3600);
  EXPECT_TRUE(nothing(unset));
}

TEST_F(LongHoldDetected, NotBelowTheThreshold) {
  wait(9);
  EXPECT_TRUE(nothing(set));
}

TEST_F(LongHoldDetected, NotOfUnknownAge) {
  look.at(wait()).blocked_ns.reset();
  EXPECT_TRUE(nothing(set));
}

TEST_F(LongHoldDetected, NotAWaitThatDidNotStand) {
  look.unsettle(wait());
  EXPECT_TRUE(nothing(set));
}

TEST_F(LongHoldDetected, NotByAHolderThatIsStoppedForAMoment) {
  wait(12);
  stop(holder);
  look.sample.raw.threads[holder].blocked_ns = kSecond / 2;
  EXPECT_TRUE(nothing(unset));
}

TEST_F(LongHoldDetected, NotByAStoppedHolderWithinASecond) {
  look.at(wait()).blocked_ns = kSecond - 1;
  stop(holder);
  EXPECT_TRUE(nothing(unset));
}

TEST_F(LongHoldDetected, NotIfTheWaiterIsStoppedToo) {
  wait(12);
  stop(holder);
  stop(waiter);
  EXPECT_TRUE(nothing(unset));
}

TEST_F(LongHoldDetected, NotIfOneThreadOfTheHoldingProcessRuns) {
  look.wait_for_flock(waiter, 7, {20});
  stop(look.thread(20, 20));
  look.thread(20, 21);
  EXPECT_TRUE(nothing(unset));
}

TEST_F(LongHoldDetected, NotADeadlock) {
  wait();
  look.wait_for(holder, 0x200, waiter);
  EXPECT_TRUE(nothing(set));
}

TEST_F(LongHoldDetected, NotAVictimOfADeadlock) {
  wait();
  const auto third = look.thread(10, 13);
  look.wait_for(holder, 0x200, third);
  look.wait_for(third, 0x300, holder);
  EXPECT_TRUE(nothing(set));
}

TEST_F(LongHoldDetected, NotADeadlockAcrossProcesses) {
  look.make_inert(holder);
  look.wait_for_flock(waiter, 7, {20});
  look.wait_for_flock(look.thread(20, 20), 8, {10});
  look.make_inert(look.thread(20, 21));
  EXPECT_FALSE(look.detect(kDeadlock).empty());
  EXPECT_TRUE(nothing(set));
}

TEST_F(LongHoldDetected, NotAVictimOfAnAbandonedLock) {
  wait();
  look.wait_for_gone(holder, 0x200);
  EXPECT_TRUE(nothing(set));
}

TEST_F(LongHoldDetected, NotADeadlockThatWillTimeOut) {
  look.at(wait()).timed = true;
  look.wait_for(holder, 0x200, waiter);
  EXPECT_TRUE(nothing(set));
}

TEST_F(LongHoldDetected, NotAnAbandonedLock) {
  look.wait_for_gone(waiter, 0x100);
  EXPECT_TRUE(nothing(set));
}

TEST_F(LongHoldDetected, NotForTheEndOfAThreadOrASignalToCome) {
  const auto w = wait();
  for (const LockKind kind : {LockKind::join, LockKind::child, LockKind::barrier, LockKind::cond, LockKind::sem,
                              LockKind::once, LockKind::futex, LockKind::sysv_sem}) {
    look.at(w).kind = kind;
    EXPECT_TRUE(nothing(set)) << name_of(kind);
  }
}

TEST_F(LongHoldDetected, NotWhereTheHolderIsNotOne) {
  const auto w = wait();
  const Obstacle one = look.at(w).obstacles[0];
  look.at(w).obstacles[0].any_of.push_back(LookBuilder::any_of(10));
  EXPECT_TRUE(nothing(set));
  look.at(w).obstacles[0] = one;
  look.at(w).obstacles[0].known = false;
  EXPECT_TRUE(nothing(set));
  look.at(w).obstacles[0] = one;
  look.at(w).obstacles[0].candidates = true;
  EXPECT_TRUE(nothing(set));
  look.at(w).obstacles = {one, LookBuilder::obstacle({LookBuilder::any_of(10)})};
  EXPECT_TRUE(nothing(set));
  look.at(w).obstacles = {one};
  EXPECT_FALSE(nothing(set));
}

TEST_F(LongHoldDetected, NotByAThreadOutOfSight) {
  look.at(wait()).obstacles[0].any_of[0].thread.tid = 77;
  EXPECT_TRUE(nothing(set));
}

}  // namespace
}  // namespace lockscope::test
