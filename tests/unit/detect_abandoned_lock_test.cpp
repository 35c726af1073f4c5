// SPDX-License-Identifier: Apache-2.0
// abandoned_lock: locks whose owner is gone, and what only looks like it.
#include <gtest/gtest.h>

#include "look_builder.h"

namespace lockscope::test {
namespace {

using Waits = std::vector<std::size_t>;

const Fact* fact(const Finding& finding, const std::string& key) {
  for (const auto& [name, value] : finding.evidence) {
    if (name == key) return &value;
  }
  return nullptr;
}

class AbandonedLockDetected : public ::testing::Test {
 protected:
  AbandonedLockDetected() {
    waiter = look.thread(10, 11, "worker");
    other = look.thread(10, 12, "other");
  }
  // A normal mutex: who unlocks it is not checked, so any thread of the process might.
  std::size_t wait_for_normal(std::size_t thread) {
    const auto w = look.wait(thread, 0x100, {LookBuilder::candidates(10)});
    look.at(w).owner_gone = OwnerGone::exited;
    look.at(w).gone_owner = 999;
    return w;
  }
  [[nodiscard]] Finding only_finding() const {
    const auto findings = look.detect(kAbandonedLock);
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? Finding{} : findings.front();
  }
  [[nodiscard]] bool nothing() const { return look.detect(kAbandonedLock).empty(); }
  LookBuilder look;
  std::size_t waiter = 0;
  std::size_t other = 0;
};

TEST_F(AbandonedLockDetected, EnforcedOwnershipIsProof) {
  const auto w = look.wait_for_gone(waiter, 0x100);
  const Finding finding = only_finding();
  EXPECT_STREQ(finding.kind, "abandoned_lock");
  EXPECT_EQ(finding.cwe, 667);
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_EQ(finding.confidence, Confidence::confirmed);
  EXPECT_EQ(finding.waiters, Waits{w});
  EXPECT_TRUE(finding.cycle.empty());
  EXPECT_EQ(finding.age_ns, 60 * kSecond);
  EXPECT_EQ(finding.summary,
            "worker (10/11) waits for recursive mutex 0x100, which nobody can unlock: thread 999 locked it and has "
            "ended without unlocking it");
  EXPECT_EQ(std::get<std::string>(*fact(finding, "owner_gone")), "exited");
  EXPECT_EQ(std::get<std::int64_t>(*fact(finding, "owner_tid")), 999);
}

TEST_F(AbandonedLockDetected, NormalMutexIsProofOnceNobodyElseCanMove) {
  const auto w = wait_for_normal(waiter);
  const auto behind = look.wait_for(other, 0x200, waiter);
  const Finding finding = only_finding();
  EXPECT_EQ(finding.confidence, Confidence::confirmed);
  EXPECT_EQ(finding.waiters, Waits{w});
  EXPECT_EQ(finding.victims, Waits{behind});
}

TEST_F(AbandonedLockDetected, NormalMutexIsLikelyWhereOnlySleepersCouldUnlock) {
  wait_for_normal(waiter);
  look.make_quiet(other);
  const Finding finding = only_finding();
  EXPECT_EQ(finding.confidence, Confidence::likely);
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_NE(fact(finding, "sleepers_that_could_help"), nullptr);
}

TEST_F(AbandonedLockDetected, AllWaitersOfALockAreOneFinding) {
  const auto a = look.wait_for_gone(waiter, 0x100);
  const auto b = look.wait_for_gone(other, 0x100);
  look.at(b).blocked_ns = 70 * kSecond;
  const Finding finding = only_finding();
  EXPECT_EQ(finding.waiters, (Waits{a, b}));
  EXPECT_EQ(finding.age_ns, 70 * kSecond);
}

TEST_F(AbandonedLockDetected, TwoLocksAreTwoFindings) {
  look.wait_for_gone(waiter, 0x100);
  look.wait_for_gone(other, 0x200);
  const auto findings = look.detect(kAbandonedLock);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_NE(findings[0].fingerprint, findings[1].fingerprint);
}

TEST_F(AbandonedLockDetected, TimedWaitWillTimeOut) {
  look.at(look.wait_for_gone(waiter, 0x100)).timed = true;
  const Finding finding = only_finding();
  EXPECT_EQ(finding.severity, Severity::warning);
  EXPECT_EQ(std::get<bool>(*fact(finding, "will_time_out")), true);
}

TEST_F(AbandonedLockDetected, SaysHowTheOwnerWentAway) {
  const auto w = look.wait_for_gone(waiter, 0x100);
  look.at(w).owner_gone = OwnerGone::before_fork;
  EXPECT_NE(only_finding().summary.find("thread 999 of the parent held it"), std::string::npos);
  look.at(w).owner_gone = OwnerGone::not_recoverable;
  look.at(w).gone_owner.reset();
  EXPECT_EQ(fact(only_finding(), "owner_tid"), nullptr);
  EXPECT_EQ(std::get<std::string>(*fact(only_finding(), "owner_gone")), "not_recoverable");
}

TEST_F(AbandonedLockDetected, FingerprintStaysWhenAnotherWaiterComes) {
  look.wait_for_gone(waiter, 0x100);
  const std::string alone = only_finding().fingerprint;
  look.wait_for_gone(other, 0x100);
  EXPECT_EQ(only_finding().fingerprint, alone);
}

TEST_F(AbandonedLockDetected, NotIfTheWaitDidNotStand) {
  look.unsettle(look.wait_for_gone(waiter, 0x100));
  EXPECT_TRUE(nothing());
}

TEST_F(AbandonedLockDetected, NotANormalMutexThatAThreadAwakeMayUnlock) {
  wait_for_normal(waiter);
  EXPECT_TRUE(nothing());
}

TEST_F(AbandonedLockDetected, NotANormalMutexYetWhereSleepersCouldUnlock) {
  look.at(wait_for_normal(waiter)).blocked_ns = 9 * kSecond;
  look.make_quiet(other);
  EXPECT_TRUE(nothing());
}

TEST_F(AbandonedLockDetected, NotANormalMutexOfUnknownAgeWhereSleepersCouldUnlock) {
  look.at(wait_for_normal(waiter)).blocked_ns.reset();
  look.make_quiet(other);
  EXPECT_TRUE(nothing());
}

TEST_F(AbandonedLockDetected, NotASoonTimeout) {
  const auto w = look.wait_for_gone(waiter, 0x100);
  look.at(w).timed = true;
  look.at(w).blocked_ns = kSecond;
  look.at(w).deadline_ns = kTaken + kSecond;
  EXPECT_TRUE(nothing());
}

TEST_F(AbandonedLockDetected, NotIfOthersMayKnowTheLock) {
  look.at(look.wait_for_gone(waiter, 0x100)).obstacles[0].known = false;
  EXPECT_TRUE(nothing());
}

TEST_F(AbandonedLockDetected, NotALockWhoseOwnerIsThere) {
  look.wait_for(waiter, 0x100, other);
  EXPECT_TRUE(nothing());
}

TEST_F(AbandonedLockDetected, NotADeadlock) {
  look.wait_for(waiter, 0x100, other);
  look.wait_for(other, 0x200, waiter);
  EXPECT_TRUE(nothing());
}

TEST_F(AbandonedLockDetected, NotAWaitForAnInertThread) {
  look.make_inert(other);
  look.wait_for(waiter, 0x100, other);
  EXPECT_TRUE(nothing());
}

}  // namespace
}  // namespace lockscope::test
