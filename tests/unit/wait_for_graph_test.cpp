// SPDX-License-Identifier: Apache-2.0
// Who is stuck, in which knots, and who stands behind them: one rule a test.
#include <gtest/gtest.h>

#include "look_builder.h"

namespace lockscope::test {
namespace {

using Waits = std::vector<std::size_t>;

Waits stuck_in(const WaitForGraph::Solution& solution) {
  Waits stuck;
  for (std::size_t w = 0; w < solution.stuck.size(); ++w) {
    if (solution.stuck[w]) stuck.push_back(w);
  }
  return stuck;
}

TEST(WaitForGraph, NoThreadsNoKnots) {
  const auto solution = LookBuilder().solve();
  EXPECT_TRUE(solution.stuck.empty());
  EXPECT_TRUE(solution.knots.empty());
}

TEST(WaitForGraph, TwoThatWaitForEachOtherAreStuck) {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  look.wait_for(a, 0x100, b);
  look.wait_for(b, 0x200, a);
  const auto solution = look.solve();
  EXPECT_EQ(stuck_in(solution), (Waits{0, 1}));
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{0, 1}));
  EXPECT_EQ(solution.knots[0].members, (Waits{0, 1}));
  EXPECT_TRUE(solution.knots[0].victims.empty());
}

TEST(WaitForGraph, CycleIsInWaitingOrderFromItsFirstThread) {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  const auto c = look.thread(10, 13);
  const auto wc = look.wait_for(c, 0x300, b);
  const auto wb = look.wait_for(b, 0x200, a);
  const auto wa = look.wait_for(a, 0x100, c);
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{wa, wc, wb}));
}

TEST(WaitForGraph, KnotsAreSortedByTheirFirstThread) {
  LookBuilder look;
  for (pid_t tid = 11; tid < 15; ++tid) look.thread(10, tid);
  for (const std::size_t t : {3U, 2U, 1U, 0U}) look.wait_for(t, 0x100 + t, t ^ 1U);
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 2U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{3, 2}));
  EXPECT_EQ(solution.knots[1].cycle, (Waits{1, 0}));
}

TEST(WaitForGraph, ChainToARunningThreadMoves) {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  const auto c = look.thread(10, 13);
  look.wait_for(a, 0x100, b);
  look.wait_for(b, 0x200, c);
  EXPECT_TRUE(stuck_in(look.solve()).empty());
}

TEST(WaitForGraph, WaitThatNobodyIsKnownToEndMoves) {
  LookBuilder look;
  look.wait(look.thread(10, 11), 0x100, {});
  EXPECT_TRUE(stuck_in(look.solve()).empty());
}

class AbBa : public ::testing::Test {
 protected:
  AbBa() {
    const auto a = look.thread(10, 11);
    const auto b = look.thread(10, 12);
    look.thread(10, 13);
    look.wait_for(a, 0x100, b);
    look.wait_for(b, 0x200, a);
  }
  LookBuilder look;
};

TEST_F(AbBa, WaitThatDoesNotStandMoves) {
  look.unsettle(1);
  EXPECT_TRUE(stuck_in(look.solve()).empty());
  EXPECT_TRUE(stuck_in(look.solve(Strictness::timeouts)).empty());
  EXPECT_TRUE(stuck_in(look.solve(Strictness::suspicion)).empty());
}

TEST_F(AbBa, TimedWaitMovesUnlessTimeoutsAreLeftOut) {
  look.at(0).timed = true;
  EXPECT_TRUE(stuck_in(look.solve(Strictness::proof)).empty());
  EXPECT_TRUE(stuck_in(look.solve(Strictness::suspicion)).empty());
  EXPECT_EQ(stuck_in(look.solve(Strictness::timeouts)), (Waits{0, 1}));
}

TEST_F(AbBa, UnknownOthersCanRemoveAnObstacle) {
  look.at(1).obstacles[0].known = false;
  EXPECT_TRUE(stuck_in(look.solve(Strictness::proof)).empty());
  EXPECT_TRUE(stuck_in(look.solve(Strictness::suspicion)).empty());
}

TEST_F(AbBa, ThreadOutOfSightCanHelp) {
  look.at(1).obstacles[0].any_of.push_back({Releaser::Scope::thread, 10, {77, 1}});
  EXPECT_TRUE(stuck_in(look.solve()).empty());
}

TEST_F(AbBa, ThreadOfThatNumberButALaterStartIsAnother) {
  look.at(1).obstacles[0].any_of[0].thread.start_ns += 1;
  EXPECT_TRUE(stuck_in(look.solve()).empty());
}

TEST_F(AbBa, ProcessOutOfSightCanHelp) {
  look.at(1).obstacles[0].any_of.push_back(LookBuilder::any_of(77));
  EXPECT_TRUE(stuck_in(look.solve()).empty());
}

TEST_F(AbBa, AnyOfIsRemovedByOneThatMoves) {
  look.at(1).obstacles[0].any_of.push_back(look.only(2));
  EXPECT_TRUE(stuck_in(look.solve()).empty());
}

TEST_F(AbBa, AllOfIsNotEndedByOneThatMoves) {
  look.at(1).obstacles.push_back(LookBuilder::obstacle({look.only(2)}));
  EXPECT_EQ(stuck_in(look.solve()), (Waits{0, 1}));
}

TEST_F(AbBa, InertThreadDoesNotHelp) {
  look.at(1).obstacles[0].any_of.push_back(look.only(2));
  look.make_inert(2);
  EXPECT_EQ(stuck_in(look.solve()), (Waits{0, 1}));
}

TEST_F(AbBa, InertThreadThatRanBetweenTheLooksMayHaveHelped) {
  look.at(1).obstacles[0].any_of.push_back(look.only(2));
  look.make_inert(2);
  look.quiet_threads.clear();
  EXPECT_TRUE(stuck_in(look.solve()).empty());
}

TEST_F(AbBa, SleeperOfTheNamedThreadHelpsHoweverLongItSleeps) {
  look.at(1).obstacles[0].any_of.push_back(look.only(2));
  look.make_quiet(2);
  EXPECT_TRUE(stuck_in(look.solve(Strictness::suspicion)).empty());
}

TEST_F(AbBa, WhoWaitsBehindIsAVictimOnce) {
  const auto c = look.thread(10, 14);
  const auto d = look.thread(10, 15);
  const auto wc = look.wait_for(c, 0x100, 1);
  const auto wd = look.wait(d, 0x300, {LookBuilder::obstacle({look.only(c)}), LookBuilder::obstacle({look.only(0)})});
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].members, (Waits{0, 1}));
  EXPECT_EQ(solution.knots[0].victims, (Waits{wd, wc}));  // d stands behind thread 0 directly
  EXPECT_TRUE(solution.dead_ends.empty());
}

TEST_F(AbBa, TimedWaitBehindAKnotIsNoVictim) {
  const auto w = look.wait_for(look.thread(10, 14), 0x100, 1);
  look.at(w).timed = true;
  EXPECT_TRUE(look.solve().knots.at(0).victims.empty());
  EXPECT_EQ(look.solve(Strictness::timeouts).knots.at(0).victims, Waits{w});
}

TEST_F(AbBa, VictimBelongsToTheNearestKnot) {
  const auto c = look.thread(20, 21);
  const auto d = look.thread(20, 22);
  const auto wc = look.wait_for(c, 0x500, d);
  const auto wd = look.wait_for(d, 0x600, c);
  const auto near_second = look.thread(20, 23);
  const auto between = look.thread(20, 24);
  const auto wn = look.wait(near_second, 0x700,
                            {LookBuilder::obstacle({look.only(between)}), LookBuilder::obstacle({look.only(c)})});
  const auto wb = look.wait_for(between, 0x800, 0);
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 2U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{0, 1}));
  EXPECT_EQ(solution.knots[0].victims, Waits{wb});
  EXPECT_EQ(solution.knots[1].cycle, (Waits{wc, wd}));
  EXPECT_EQ(solution.knots[1].victims, Waits{wn});
}

TEST_F(AbBa, ShortestCycleIsShownAndTheRestAreMembers) {
  // 0 -> 1 -> 0, and 0 -> 3 -> 4 -> 1 makes a longer way round.
  const auto c = look.thread(10, 14);
  const auto d = look.thread(10, 15);
  look.at(0).obstacles.push_back(LookBuilder::obstacle({look.only(c)}));
  const auto wc = look.wait_for(c, 0x300, d);
  const auto wd = look.wait_for(d, 0x400, 1);
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{0, 1}));
  EXPECT_EQ(solution.knots[0].members, (Waits{0, 1, wc, wd}));
}

// --- processes ------------------------------------------------------------------------------------------------------

TEST(WaitForGraphProcesses, FileLocksAcrossTwoProcesses) {
  LookBuilder look;
  look.wait_for_flock(look.process(10), 7, {20});
  look.wait_for_flock(look.process(20), 8, {10});
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{0, 1}));
}

TEST(WaitForGraphProcesses, OneThreadThatMovesHelpsForAll) {
  LookBuilder look;
  look.wait_for_flock(look.process(10), 7, {20});
  look.wait_for_flock(look.process(20), 8, {10});
  look.thread(20, 21);
  EXPECT_TRUE(stuck_in(look.solve()).empty());
}

TEST(WaitForGraphProcesses, SharerThatMovesHelps) {
  LookBuilder look;
  look.wait_for_flock(look.process(10), 7, {20, 30});
  look.wait_for_flock(look.process(20), 8, {10});
  look.process(30);
  for (const auto strictness : {Strictness::proof, Strictness::timeouts, Strictness::suspicion}) {
    EXPECT_TRUE(stuck_in(look.solve(strictness)).empty());
  }
}

TEST(WaitForGraphProcesses, SharerThatSleepsHelps) {
  LookBuilder look;
  look.wait_for_flock(look.process(10), 7, {20, 30});
  look.wait_for_flock(look.process(20), 8, {10});
  look.make_quiet(look.process(30));
  for (const auto strictness : {Strictness::proof, Strictness::timeouts, Strictness::suspicion}) {
    EXPECT_TRUE(stuck_in(look.solve(strictness)).empty());
  }
}

TEST(WaitForGraphProcesses, ThreadsThatAreAllStuckOrInertDoNotHelp) {
  LookBuilder look;
  look.wait_for_flock(look.process(10), 7, {20});
  const auto leader = look.thread(20, 20);
  const auto worker = look.thread(20, 21);
  look.make_inert(look.thread(20, 22));
  const auto w = look.wait_for_flock(worker, 8, {10});
  look.wait_for(leader, 0x100, worker);
  const auto solution = look.solve();
  EXPECT_EQ(stuck_in(solution), (Waits{0, 1, 2}));
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{0, w}));
  EXPECT_EQ(solution.knots[0].members, (Waits{0, w, 2}));
}

TEST(WaitForGraphProcesses, WaitForTheOwnProcessIsACycleOfOne) {
  LookBuilder look;
  look.wait_for_flock(look.process(10), 7, {10});
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, Waits{0});
}

// --- abandoned locks ------------------------------------------------------------------------------------------------

TEST(WaitForGraphAbandoned, WaitForAGoneOwnerIsADeadEndWithVictims) {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  const auto wa = look.wait_for_gone(a, 0x100);
  const auto wb = look.wait_for(b, 0x200, a);
  const auto solution = look.solve();
  EXPECT_EQ(stuck_in(solution), (Waits{wa, wb}));
  EXPECT_TRUE(solution.knots.empty());
  ASSERT_EQ(solution.dead_ends.size(), 1U);
  EXPECT_EQ(solution.dead_ends[0].wait, wa);
  EXPECT_EQ(solution.dead_ends[0].victims, Waits{wb});
}

TEST(WaitForGraphAbandoned, WaiterThatAlsoLeadsToAKnotBelongsToTheKnot) {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  const auto c = look.thread(10, 13);
  const auto gone = look.wait_for_gone(look.thread(10, 14), 0x900);
  look.wait_for(a, 0x100, b);
  look.wait_for(b, 0x200, a);
  const auto w = look.wait(c, 0x300, {LookBuilder::obstacle({look.only(3)}), LookBuilder::obstacle({look.only(a)})});
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].victims, Waits{w});
  ASSERT_EQ(solution.dead_ends.size(), 1U);
  EXPECT_EQ(solution.dead_ends[0].wait, gone);
  EXPECT_TRUE(solution.dead_ends[0].victims.empty());
}

TEST(WaitForGraphAbandoned, NormalMutexOfAGoneOwnerIsNoCycle) {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto w = look.wait(a, 0x100, {LookBuilder::candidates(10)});
  look.at(w).owner_gone = OwnerGone::exited;
  const auto solution = look.solve();
  EXPECT_EQ(stuck_in(solution), Waits{w});
  EXPECT_TRUE(solution.knots.empty());
  EXPECT_EQ(solution.dead_ends.size(), 1U);
}

TEST(WaitForGraphAbandoned, WaitForAnInertThreadIsADeadEnd) {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto idle = look.thread(10, 12);
  look.make_inert(idle);
  look.wait_for(a, 0x100, idle);
  const auto solution = look.solve();
  EXPECT_TRUE(solution.knots.empty());
  EXPECT_EQ(solution.dead_ends.size(), 1U);
}

// --- holders that no memory names -----------------------------------------------------------------------------------

TEST(WaitForGraphCandidates, OwnMutexIsACycleOfOneOnceNobodyElseMoves) {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  look.wait_for_own(a, 0x100);
  EXPECT_TRUE(stuck_in(look.solve()).empty());  // b may unlock it
  look.wait_for(b, 0x200, a);
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, Waits{0});
  EXPECT_EQ(solution.knots[0].victims, Waits{1});
}

TEST(WaitForGraphCandidates, WaiterBehindAnOwnMutexIsNotTakenForItsHolder) {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  look.wait_for_own(a, 0x100);
  look.wait_for(b, 0x100, a);
  look.at(0).obstacles[0].likely = {look.only(b)};
  EXPECT_EQ(look.solve().knots.at(0).cycle, Waits{0});
}

TEST(WaitForGraphCandidates, TwoUpgradesOfOneRwlockWaitForEachOther) {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  look.wait_for_readers(a, 0x100, 2);
  look.wait_for_readers(b, 0x100, 2);
  EXPECT_EQ(look.solve().knots.at(0).cycle, (Waits{0, 1}));
}

TEST(WaitForGraphCandidates, ManyUpgradesAreOneKnotWithACycleOfTwo) {
  LookBuilder look;
  for (pid_t tid = 11; tid < 16; ++tid) look.wait_for_readers(look.thread(10, tid), 0x100, 5);
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{0, 1}));
  EXPECT_EQ(solution.knots[0].members, (Waits{0, 1, 2, 3, 4}));
}

TEST(WaitForGraphCandidates, LoneUpgradeIsACycleOfOne) {
  LookBuilder look;
  look.wait_for_readers(look.thread(10, 11), 0x100, 1);
  EXPECT_EQ(look.solve().knots.at(0).cycle, Waits{0});
}

TEST(WaitForGraphCandidates, WriterOfAnotherRwlockIsNoReaderOfThisOne) {
  LookBuilder look;
  look.wait_for_readers(look.thread(10, 11), 0x100, 2);
  look.wait_for_readers(look.thread(10, 12), 0x200, 2);
  EXPECT_EQ(look.solve().knots.size(), 2U);
}

TEST(WaitForGraphCandidates, LikelyReaderThatWaitsElsewhereIsTheHolder) {
  LookBuilder look;
  const auto reader = look.thread(10, 11);
  const auto writer = look.thread(10, 12);
  const auto queued = look.thread(10, 13);
  look.wait_for(reader, 0x500, writer);
  look.wait_for_readers(writer, 0x100, 1, {look.only(reader), look.only(queued)});
  look.wait_for(queued, 0x100, writer);
  look.at(2).kind = LockKind::rwlock;
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{0, 1}));
  EXPECT_EQ(solution.knots[0].victims, Waits{2});
}

TEST(WaitForGraphCandidates, LikelyReaderThatMovesKeepsAllMoving) {
  LookBuilder look;
  const auto reader = look.thread(10, 11);
  look.wait_for_readers(look.thread(10, 12), 0x100, 1, {look.only(reader)});
  EXPECT_TRUE(stuck_in(look.solve()).empty());
}

// --- suspicion ------------------------------------------------------------------------------------------------------

class IdlePool : public ::testing::Test {
 protected:
  IdlePool() {
    look.wait_for_own(look.thread(10, 11), 0x100);
    pool = look.thread(10, 12);
  }
  LookBuilder look;
  std::size_t pool = 0;
};

TEST_F(IdlePool, SleepersDoNotCountAsHelp) {
  look.make_quiet(pool);
  EXPECT_TRUE(stuck_in(look.solve(Strictness::proof)).empty());
  EXPECT_TRUE(stuck_in(look.solve(Strictness::timeouts)).empty());
  EXPECT_EQ(stuck_in(look.solve(Strictness::suspicion)), Waits{0});
}

TEST_F(IdlePool, ThreadThatIsAwakeHelps) { EXPECT_TRUE(stuck_in(look.solve(Strictness::suspicion)).empty()); }

TEST_F(IdlePool, ConditionWaiterIsASleeper) {
  look.make_quiet(pool);
  look.at(look.wait(pool, 0x300, {})).kind = LockKind::cond;
  EXPECT_EQ(stuck_in(look.solve(Strictness::suspicion)), Waits{0});
}

TEST_F(IdlePool, SleeperThatWaitsForAWorkingThreadHelps) {
  look.make_quiet(pool);
  look.wait_for_flock(pool, 7, {20});
  look.process(20);
  EXPECT_TRUE(stuck_in(look.solve(Strictness::suspicion)).empty());
}

TEST_F(IdlePool, SleeperThatWaitsForASleeperDoesNot) {
  look.make_quiet(pool);
  look.wait_for_flock(pool, 7, {20});
  look.make_quiet(look.process(20));
  EXPECT_EQ(stuck_in(look.solve(Strictness::suspicion)), Waits{0});
}

TEST_F(IdlePool, SleeperWithTheLockOnItsStackHelps) {
  look.make_quiet(pool);
  look.at(0).obstacles[0].likely = {look.only(pool)};
  EXPECT_TRUE(stuck_in(look.solve(Strictness::suspicion)).empty());
}

TEST(WaitForGraphSuspicion, SleeperMayBeTheReader) {
  LookBuilder look;
  look.wait_for_readers(look.thread(10, 11), 0x100, 2);
  look.wait_for_readers(look.thread(10, 12), 0x100, 2);
  look.make_quiet(look.thread(10, 13));
  EXPECT_TRUE(stuck_in(look.solve(Strictness::suspicion)).empty());
}

TEST(WaitForGraphSuspicion, IdleHolderOfAFileLockHelps) {
  LookBuilder look;
  look.wait_for_flock(look.process(10), 7, {20});
  look.make_quiet(look.thread(20, 20));
  look.make_quiet(look.thread(20, 21));
  EXPECT_TRUE(stuck_in(look.solve(Strictness::suspicion)).empty());
}

TEST(WaitForGraphSuspicion, FileLocksAcrossProcessesWithIdlePools) {
  LookBuilder look;
  look.wait_for_flock(look.thread(10, 10), 7, {20});
  look.make_quiet(look.thread(10, 11));
  look.wait_for_flock(look.thread(20, 20), 8, {10});
  look.make_quiet(look.thread(20, 21));
  EXPECT_TRUE(stuck_in(look.solve(Strictness::proof)).empty());
  EXPECT_EQ(look.solve(Strictness::suspicion).knots.at(0).cycle, (Waits{0, 1}));
}

}  // namespace
}  // namespace lockscope::test
