// SPDX-License-Identifier: Apache-2.0
// deadlock and self_deadlock: what they report of the knots, and above all what they leave alone.
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

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class DeadlockDetected : public ::testing::Test {
 protected:
  // worker and flusher of one process, each waiting for the other's mutex.
  void make_pair_in_one_process() {
    const auto a = look.thread(1234, 1236, "worker");
    const auto b = look.thread(1234, 1237, "flusher");
    look.wait_for(a, 0x5500, b);
    look.wait_for(b, 0x5540, a);
  }
  void make_flocks_across_processes() {
    look.wait_for_flock(look.process(10, "left"), 7, {20});
    look.wait_for_flock(look.process(20, "right"), 8, {10});
  }
  [[nodiscard]] Finding only_finding() const {
    const auto findings = look.detect(kDeadlock);
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? Finding{} : findings.front();
  }
  [[nodiscard]] bool nothing() const { return look.detect(kDeadlock).empty(); }
  LookBuilder look;
};

TEST_F(DeadlockDetected, TwoThreadsOfOneProcess) {
  make_pair_in_one_process();
  look.at(0).blocked_ns = 90 * kSecond;
  const Finding finding = only_finding();
  EXPECT_STREQ(finding.kind, "deadlock");
  EXPECT_EQ(finding.cwe, 833);
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_EQ(finding.confidence, Confidence::confirmed);
  EXPECT_EQ(finding.cycle, (Waits{0, 1}));
  EXPECT_EQ(finding.age_ns, 60 * kSecond);  // as old as its youngest wait
  EXPECT_EQ(finding.summary,
            "worker (1234/1236) and flusher (1234/1237) wait for each other: mutex 0x5500, mutex 0x5540");
  EXPECT_TRUE(says(finding.hint, "restart it"));
  ASSERT_NE(fact(finding, "looks"), nullptr);
  EXPECT_EQ(std::get<std::int64_t>(*fact(finding, "looks")), 2);
  EXPECT_EQ(std::get<bool>(*fact(finding, "switch_counts_unchanged")), true);
  EXPECT_EQ(std::get<std::string>(*fact(finding, "edges")), "memory");
  EXPECT_EQ(fact(finding, "will_time_out"), nullptr);
}

TEST_F(DeadlockDetected, AgeIsAbsentWhereOneIsNotKnown) {
  make_pair_in_one_process();
  look.at(0).blocked_ns.reset();
  EXPECT_FALSE(only_finding().age_ns.has_value());
}

TEST_F(DeadlockDetected, AtOnceHoweverYoung) {
  make_pair_in_one_process();
  look.at(0).blocked_ns = look.at(1).blocked_ns = 1'000'000;
  EXPECT_EQ(only_finding().confidence, Confidence::confirmed);
}

TEST_F(DeadlockDetected, AcrossProcessesSaysSoAndWhomToEnd) {
  make_flocks_across_processes();
  const Finding finding = only_finding();
  EXPECT_EQ(finding.summary,
            "left (10) and right (20) wait for each other across 2 processes: flock on inode 7, flock on inode 8");
  EXPECT_TRUE(says(finding.hint, "end right (20)"));
}

TEST_F(DeadlockDetected, MixedKindsSayThatTheFileLockIsTheWayOut) {
  look.wait_for_flock(look.process(10, "left"), 7, {20});
  const auto w = look.wait_for(look.process(20, "right"), 0x7f00, 0);
  look.at(w).process_shared = true;
  const Finding finding = only_finding();
  EXPECT_TRUE(says(finding.summary, "process-shared mutex 0x7f00"));
  EXPECT_TRUE(says(finding.hint, "end right (20)"));
  EXPECT_EQ(std::get<std::string>(*fact(finding, "edges")), "kernel, memory");
}

TEST_F(DeadlockDetected, RingOfManyIsCountedNotListed) {
  for (pid_t i = 0; i < 64; ++i) look.thread(1234, 1234 + i);
  for (std::size_t i = 0; i < 64; ++i) look.wait_for(i, 0x100 + i, (i + 1) % 64);
  const Finding finding = only_finding();
  EXPECT_EQ(finding.summary, "64 threads of app (1234) wait for each other in a ring");
  EXPECT_EQ(finding.cycle.size(), 64U);
}

TEST_F(DeadlockDetected, VictimsAreListedWithIt) {
  make_pair_in_one_process();
  const auto w = look.wait_for(look.thread(1234, 1240), 0x5500, 1);
  const Finding finding = only_finding();
  EXPECT_EQ(finding.victims, Waits{w});
  EXPECT_TRUE(says(finding.summary, "; 1 more waits behind them"));
}

TEST_F(DeadlockDetected, MembersBesideTheCycleAreVictimsToo) {
  for (pid_t i = 0; i < 4; ++i) look.wait_for_readers(look.thread(10, 11 + i), 0x100, 4);
  const Finding finding = only_finding();
  EXPECT_EQ(finding.cycle, (Waits{0, 1}));
  EXPECT_EQ(finding.victims, (Waits{2, 3}));
  EXPECT_TRUE(says(finding.hint, "let go of the read lock"));
}

TEST_F(DeadlockDetected, SeveralAreSeveral) {
  make_pair_in_one_process();
  const auto c = look.thread(1234, 1240);
  const auto d = look.thread(1234, 1241);
  look.wait_for(c, 0x100, d);
  look.wait_for(d, 0x200, c);
  const auto findings = look.detect(kDeadlock);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_NE(findings[0].fingerprint, findings[1].fingerprint);
}

TEST_F(DeadlockDetected, TimeoutFarAwayIsAWarning) {
  make_pair_in_one_process();
  look.at(0).timed = true;
  look.at(0).blocked_ns = look.at(1).blocked_ns = 1 * kSecond;
  look.at(0).deadline_ns = kTaken + 9 * kSecond;  // ten in all
  const Finding finding = only_finding();
  EXPECT_EQ(finding.severity, Severity::warning);
  EXPECT_EQ(finding.confidence, Confidence::confirmed);
  EXPECT_EQ(std::get<bool>(*fact(finding, "will_time_out")), true);
  EXPECT_EQ(std::get<std::int64_t>(*fact(finding, "times_out_in_ms")), 9'000);
  EXPECT_TRUE(says(finding.summary, "a timeout will end it"));
}

TEST_F(DeadlockDetected, UnknownTimeoutIsAWarningOnceOldEnough) {
  make_pair_in_one_process();
  look.at(0).timed = true;
  look.at(0).blocked_ns = look.at(1).blocked_ns = 10 * kSecond;
  const Finding finding = only_finding();
  EXPECT_EQ(finding.severity, Severity::warning);
  EXPECT_EQ(fact(finding, "times_out_in_ms"), nullptr);
}

TEST_F(DeadlockDetected, IdlePoolsMakeItLikelyAndAreNamed) {
  make_flocks_across_processes();
  look.make_quiet(look.thread(20, 21));
  const Finding finding = only_finding();
  EXPECT_EQ(finding.confidence, Confidence::likely);
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_EQ(std::get<std::string>(*fact(finding, "sleepers_that_could_help")), "right (20)");
  EXPECT_TRUE(says(finding.summary, "seem to wait for each other"));
}

TEST_F(DeadlockDetected, NotAChainThatMoves) {
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  look.wait_for(a, 0x100, b);
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotAWaitThatDidNotStand) {
  make_pair_in_one_process();
  look.unsettle(0);
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotASoonTimeout) {
  make_pair_in_one_process();
  look.at(0).timed = true;
  look.at(0).blocked_ns = look.at(1).blocked_ns = 1 * kSecond;
  look.at(0).deadline_ns = kTaken + 8 * kSecond;
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotOneLateAndOneSoonTimeout) {
  make_pair_in_one_process();
  for (const std::size_t w : {0U, 1U}) {
    look.at(w).timed = true;
    look.at(w).blocked_ns = 1 * kSecond;
  }
  look.at(0).deadline_ns = kTaken + 60 * kSecond;
  look.at(1).deadline_ns = kTaken + 2 * kSecond;
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotATimeoutThatHasJustStruck) {
  make_pair_in_one_process();
  look.at(0).timed = true;
  look.at(0).deadline_ns = kTaken;
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotAYoungWaitWithAnUnknownTimeout) {
  make_pair_in_one_process();
  look.at(0).timed = true;
  look.at(0).blocked_ns = look.at(1).blocked_ns = 9 * kSecond;
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotAnUnknownTimeoutOfUnknownAge) {
  make_pair_in_one_process();
  look.at(0).timed = true;
  look.at(0).blocked_ns.reset();
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotYoungSuspicion) {
  make_flocks_across_processes();
  look.make_quiet(look.thread(20, 21));
  look.at(1).blocked_ns = 9 * kSecond;
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotSuspicionOfUnknownAge) {
  make_flocks_across_processes();
  look.make_quiet(look.thread(20, 21));
  look.at(1).blocked_ns.reset();
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotWithAThreadAwakeInTheHoldersProcess) {
  make_flocks_across_processes();
  look.thread(20, 21);
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotWithASharerThatCanStillUnlock) {
  look.wait_for_flock(look.process(10), 7, {20, 30});
  look.wait_for_flock(look.process(20), 8, {10});
  look.make_quiet(look.process(30));
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotAQueueBehindAnIdleHolder) {
  look.wait_for_flock(look.process(10), 7, {30});
  look.wait_for_flock(look.process(20), 7, {30});
  look.make_quiet(look.process(30));
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotTwoWritersBehindASleepingReader) {
  look.wait_for_readers(look.thread(10, 11), 0x100, 2);
  look.wait_for_readers(look.thread(10, 12), 0x100, 2);
  look.make_quiet(look.thread(10, 13));
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotAThreadThatWaitsForItself) {
  look.wait_for_own(look.thread(10, 11), 0x100);
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotAnAbandonedLock) {
  look.wait_for_gone(look.thread(10, 11), 0x100);
  EXPECT_TRUE(nothing());
}

TEST_F(DeadlockDetected, NotAWaitForASleepingThread) {
  const auto a = look.thread(10, 11);
  const auto idle = look.thread(10, 12);
  look.wait_for(a, 0x100, idle);
  look.make_inert(idle);
  EXPECT_TRUE(nothing());
}

// --- self_deadlock --------------------------------------------------------------------------------------------------

class SelfDeadlockDetected : public ::testing::Test {
 protected:
  void make_own_mutex() {
    self = look.wait_for_own(look.thread(10, 11, "worker"), 0x100);
    other = look.thread(10, 12);
  }
  void make_joined() { look.wait_for(other, 0x200, 0); }
  [[nodiscard]] Finding only_finding() const {
    const auto findings = look.detect(kSelfDeadlock);
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? Finding{} : findings.front();
  }
  [[nodiscard]] bool nothing() const { return look.detect(kSelfDeadlock).empty(); }
  LookBuilder look;
  std::size_t self = 0;
  std::size_t other = 0;
};

TEST_F(SelfDeadlockDetected, ConfirmedWhereNobodyElseCanMove) {
  make_own_mutex();
  make_joined();
  const Finding finding = only_finding();
  EXPECT_STREQ(finding.kind, "self_deadlock");
  EXPECT_EQ(finding.cwe, 764);
  EXPECT_EQ(finding.severity, Severity::critical);
  EXPECT_EQ(finding.confidence, Confidence::confirmed);
  EXPECT_EQ(finding.cycle, Waits{self});
  EXPECT_EQ(finding.victims, Waits{1});
  EXPECT_EQ(finding.summary, "worker (10/11) waits for mutex 0x100 that it holds itself; 1 more waits behind it");
}

TEST_F(SelfDeadlockDetected, EnforcedOwnershipIsProofWhateverOthersDo) {
  make_own_mutex();
  look.at(self).obstacles = {LookBuilder::obstacle({look.only(0)})};
  look.at(self).owner_enforced = true;
  EXPECT_EQ(only_finding().confidence, Confidence::confirmed);
}

TEST_F(SelfDeadlockDetected, LikelyWhereOnlySleepersCouldUnlock) {
  make_own_mutex();
  look.make_quiet(other);
  const Finding finding = only_finding();
  EXPECT_EQ(finding.confidence, Confidence::likely);
  EXPECT_EQ(std::get<std::string>(*fact(finding, "sleepers_that_could_help")), "worker (10)");
}

TEST_F(SelfDeadlockDetected, LikelyWhereOnlyTimedWaitersCouldUnlock) {
  make_own_mutex();
  make_joined();
  look.at(1).timed = true;
  const Finding finding = only_finding();
  EXPECT_EQ(finding.confidence, Confidence::likely);
  EXPECT_NE(fact(finding, "rests_on_timed_waits"), nullptr);
}

TEST_F(SelfDeadlockDetected, TimedLockOfTheOwnMutexWillTimeOut) {
  make_own_mutex();
  make_joined();
  look.at(self).timed = true;
  look.at(self).deadline_ns = kTaken + 100 * kSecond;
  const Finding finding = only_finding();
  EXPECT_EQ(finding.severity, Severity::warning);
  EXPECT_EQ(std::get<std::int64_t>(*fact(finding, "times_out_in_ms")), 100'000);
}

TEST_F(SelfDeadlockDetected, LoneUpgradeOfARwlock) {
  look.wait_for_readers(look.process(10), 0x100, 1);
  EXPECT_TRUE(says(only_finding().summary, "it holds itself for reading"));
}

TEST_F(SelfDeadlockDetected, ReaderThatCannotBeToldIsNotNamed) {
  look.wait_for_readers(look.thread(10, 11), 0x100, 1);
  look.wait_for(look.thread(10, 12), 0x200, 0);
  look.at(1).kind = LockKind::join;
  EXPECT_TRUE(says(only_finding().summary, "only stuck threads can hold, most likely itself"));
}

// The one who waits for the writer is more likely the reader than the writer itself: no thread is accused of both.
TEST_F(SelfDeadlockDetected, NotWhereAReaderWaitsForTheWriter) {
  look.wait_for_readers(look.thread(10, 11), 0x100, 1);
  look.wait_for(look.thread(10, 12), 0x200, 0);
  EXPECT_TRUE(nothing());
}

TEST_F(SelfDeadlockDetected, FileLockThroughAnotherDescriptor) {
  look.wait_for_flock(look.process(10), 7, {10});
  EXPECT_TRUE(says(only_finding().summary, "its own process holds through another descriptor"));
}

TEST_F(SelfDeadlockDetected, NotAMutexUsedAsASignal) {
  make_own_mutex();  // the other thread is awake and may unlock it
  EXPECT_TRUE(nothing());
}

TEST_F(SelfDeadlockDetected, NotAYoungSignalThatASleeperWillGive) {
  make_own_mutex();
  look.make_quiet(other);
  look.at(self).blocked_ns = 9 * kSecond;
  EXPECT_TRUE(nothing());
}

TEST_F(SelfDeadlockDetected, NotASignalOfUnknownAge) {
  make_own_mutex();
  look.make_quiet(other);
  look.at(self).blocked_ns.reset();
  EXPECT_TRUE(nothing());
}

TEST_F(SelfDeadlockDetected, NotASignalThatATimedSleeperMayGive) {
  make_own_mutex();
  look.sample.raw.threads[other].state = ThreadState::blocked;  // asleep, but not quiet: it has a timeout
  EXPECT_TRUE(nothing());
}

TEST_F(SelfDeadlockDetected, NotASignalFromSomeoneWithTheMutexOnItsStack) {
  make_own_mutex();
  look.make_quiet(other);
  look.at(self).obstacles[0].likely = {look.only(other)};
  EXPECT_TRUE(nothing());
}

TEST_F(SelfDeadlockDetected, NotASignalFromAProcessThatSharesTheMutex) {
  make_own_mutex();
  make_joined();
  look.process(20);
  look.at(self).obstacles[0].any_of.push_back(LookBuilder::any_of(20));
  EXPECT_TRUE(nothing());
}

TEST_F(SelfDeadlockDetected, NotAYoungSignalThatATimedWaiterMayGive) {
  make_own_mutex();
  make_joined();
  look.at(1).timed = true;
  look.at(self).blocked_ns = 9 * kSecond;
  EXPECT_TRUE(nothing());
}

TEST_F(SelfDeadlockDetected, NotAShortTimedLock) {
  make_own_mutex();
  make_joined();
  look.at(self).timed = true;
  look.at(self).blocked_ns = kSecond;
  look.at(self).deadline_ns = kTaken + kSecond;
  EXPECT_TRUE(nothing());
}

TEST_F(SelfDeadlockDetected, NotAWriterBehindASleepingReader) {
  look.wait_for_readers(look.thread(10, 11), 0x100, 1);
  look.make_quiet(look.thread(10, 12));
  EXPECT_TRUE(nothing());
}

TEST_F(SelfDeadlockDetected, NotTwoThatWaitForEachOther) {
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  look.wait_for(a, 0x100, b);
  look.wait_for(b, 0x200, a);
  EXPECT_TRUE(nothing());
}

}  // namespace
}  // namespace lockscope::test
