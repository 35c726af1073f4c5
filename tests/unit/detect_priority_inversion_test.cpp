// SPDX-License-Identifier: Apache-2.0
// priority_inversion: a real-time waiter behind a slower holder that would like to go on.
#include <gtest/gtest.h>

#include "watched_host.h"

namespace lockscope::test {
namespace {

class InversionDetected : public ::testing::Test {
 protected:
  InversionDetected() {
    waiter = look.thread(10, 11, "urgent");
    holder = look.thread(10, 12, "slow");
    third = look.thread(10, 13, "third");
    look.thread_at(holder).priority = 120;
    look.thread_at(waiter).priority = 50;
    look.thread_at(third).priority = 120;
    w = look.wait_for(waiter, 0x100, holder);
  }
  [[nodiscard]] std::vector<Finding> found() const { return look.detect(kPriorityInversion); }
  [[nodiscard]] bool nothing() const { return found().empty(); }
  LookBuilder look;
  std::size_t holder = 0, waiter = 0, third = 0, w = 0;
};

TEST_F(InversionDetected, BehindAHolderThatRuns) {
  ASSERT_EQ(found().size(), 1U);
  EXPECT_STREQ(found()[0].kind, "priority_inversion");
  EXPECT_EQ(found()[0].severity, Severity::warning);
  EXPECT_EQ(found()[0].confidence, Confidence::confirmed);
  EXPECT_EQ(found()[0].waiters, std::vector<std::size_t>{w});
  EXPECT_EQ(evidence_number(found()[0], "waiter_priority"), 50);
  EXPECT_EQ(evidence_number(found()[0], "holder_priority"), 120);
}

TEST_F(InversionDetected, BehindAHolderThatWaitsItself) {
  look.wait_for(holder, 0x200, third);
  ASSERT_EQ(found().size(), 1U);
  EXPECT_EQ(found()[0].confidence, Confidence::likely);
}

TEST_F(InversionDetected, BehindARealTimeHolderOfLowerPriority) {
  look.thread_at(holder).priority = 60;
  EXPECT_FALSE(nothing());
  look.thread_at(waiter).priority = -1;  // deadline
  EXPECT_FALSE(nothing());
}

TEST_F(InversionDetected, BehindAProcessOfOneThread) {
  LookBuilder files;
  const auto urgent = files.process(10);
  files.thread_at(urgent).priority = 1;
  files.thread_at(files.process(20)).priority = 120;
  files.wait_for_flock(urgent, 7, {20});
  EXPECT_EQ(files.detect(kPriorityInversion).size(), 1U);
  files.thread(20, 21);
  EXPECT_TRUE(files.detect(kPriorityInversion).empty()) << "which of them could let go?";
}

TEST_F(InversionDetected, NotOfAnOrdinaryWaiter) {
  look.thread_at(waiter).priority = 100;
  EXPECT_TRUE(nothing());
}

TEST_F(InversionDetected, NotBehindAHolderOfEqualOrHigherPriority) {
  look.thread_at(holder).priority = 50;
  EXPECT_TRUE(nothing());
  look.thread_at(holder).priority = 10;
  EXPECT_TRUE(nothing());
}

TEST_F(InversionDetected, NotOfUnknownPriority) {
  look.thread_at(holder).priority.reset();
  EXPECT_TRUE(nothing());
  look.thread_at(holder).priority = 120;
  look.thread_at(waiter).priority.reset();
  EXPECT_TRUE(nothing());
}

TEST_F(InversionDetected, NotWhereTheLockLendsItsPriority) {
  for (const LockKind kind : {LockKind::pi_mutex, LockKind::priority_protect_mutex}) {
    look.at(w).kind = kind;
    EXPECT_TRUE(nothing()) << name_of(kind);
  }
}

TEST_F(InversionDetected, NotForASignal) {
  for (const LockKind kind : {LockKind::cond, LockKind::join, LockKind::sem, LockKind::child, LockKind::futex}) {
    look.at(w).kind = kind;
    EXPECT_TRUE(nothing()) << name_of(kind);
  }
}

TEST_F(InversionDetected, NotBehindAHolderThatSleepsByItself) {
  look.thread_at(holder).state = ThreadState::blocked;
  EXPECT_TRUE(nothing());
  look.thread_at(holder).state = ThreadState::stopped;
  EXPECT_TRUE(nothing());
}

TEST_F(InversionDetected, NotAWaitThatDidNotStand) {
  look.unsettle(w);
  EXPECT_TRUE(nothing());
}

TEST_F(InversionDetected, NotADeadlock) {
  look.wait_for(holder, 0x200, waiter);
  EXPECT_TRUE(nothing());
}

TEST_F(InversionDetected, NotWhereTheHolderIsNotOne) {
  look.at(w).obstacles[0].any_of.push_back(look.only(third));
  EXPECT_TRUE(nothing());
  look.at(w).obstacles[0].any_of.pop_back();
  look.at(w).obstacles[0].candidates = true;
  EXPECT_TRUE(nothing());
  look.at(w).obstacles.clear();
  EXPECT_TRUE(nothing());
}

}  // namespace
}  // namespace lockscope::test
