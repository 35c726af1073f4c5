// SPDX-License-Identifier: Apache-2.0
// Orders that contradict each other, but never at one time: the program itself keeps them apart.
#include <gtest/gtest.h>

#include "model/lock_order_graph.h"
#include "trace_scene.h"

namespace lockscope::test {
namespace {

class LockOrderInTime : public ::testing::Test {
 protected:
  [[nodiscard]] std::size_t found() { return find_order_cycles(scene.trace, scene.names).cycles.size(); }
  TraceScene scene;
  TracedLock a = scene.symbol(0x100, "a");
  TracedLock b = scene.symbol(0x200, "b");
  TracedLock barrier = scene.symbol(0x900, "barrier");
  std::size_t main = scene.thread(1'000);
};

TEST_F(LockOrderInTime, BothLiveAllTheWhile) {
  const std::size_t worker = scene.thread(1'500);
  scene.order(main, a, b, 2'000);
  scene.order(worker, b, a, 900'000);
  EXPECT_EQ(found(), 1U) << "far apart, but nothing keeps them so";
}

// Creating.

TEST_F(LockOrderInTime, NotSetUpBeforeCreatingTheOther) {
  scene.order(main, a, b, 2'000, 2'900);
  const std::size_t worker = scene.child(main, 3'000);
  scene.order(worker, b, a, 4'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, SetUpByAThreadThatDidNotCreateTheOther) {
  const std::size_t maker = scene.child(main, 1'500);
  scene.order(main, a, b, 2'000, 2'900);
  const std::size_t worker = scene.child(maker, 3'000);
  scene.order(worker, b, a, 4'000);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, BeforeAThreadOfUnknownCreator) {
  scene.order(main, a, b, 2'000, 2'900);
  const std::size_t worker = scene.thread(3'000);
  scene.order(worker, b, a, 4'000);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, AfterCreatingTheOther) {
  scene.order(main, a, b, 2'000, 3'100);
  const std::size_t worker = scene.child(main, 3'000);
  scene.order(worker, b, a, 4'000);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, NotSetUpBeforeCreatingTheCreatorOfTheOther) {
  scene.order(main, a, b, 2'000, 2'400);
  const std::size_t middle = scene.child(main, 2'500);
  const std::size_t worker = scene.child(middle, 3'000);
  scene.order(worker, b, a, 4'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, BetweenCreatingTheCreatorAndTheOther) {
  const std::size_t middle = scene.child(main, 2'500);
  scene.order(main, a, b, 2'600);
  const std::size_t worker = scene.child(middle, 3'000);
  scene.order(worker, b, a, 4'000);
  EXPECT_EQ(found(), 1U);
}

// Joining.

TEST_F(LockOrderInTime, NotTornDownAfterJoiningTheOther) {
  const std::size_t worker = scene.child(main, 3'000, 5'000);
  scene.order(worker, b, a, 4'000);
  scene.join(main, worker, 5'500);
  scene.order(main, a, b, 6'000, 9'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, AfterTheOtherEndedButWasNotJoined) {
  const std::size_t worker = scene.child(main, 3'000, 5'000);
  scene.order(worker, b, a, 4'000);
  scene.order(main, a, b, 6'000, 9'000);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, AfterTheOtherEndedButBeforeItWasJoined) {
  const std::size_t worker = scene.child(main, 3'000, 5'000);
  scene.order(worker, b, a, 4'000);
  scene.order(main, a, b, 6'000);
  scene.join(main, worker, 6'500);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, AfterJoiningAThird) {
  const std::size_t worker = scene.child(main, 3'000, 5'000);
  const std::size_t third = scene.child(main, 3'000, 5'000);
  scene.order(worker, b, a, 4'000);
  scene.join(main, third, 5'500);
  scene.order(main, a, b, 6'000, 9'000);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, NotBeforeCreatingAndAfterJoiningTheOther) {
  const std::size_t worker = scene.child(main, 3'000, 5'000);
  scene.order(worker, b, a, 4'000);
  scene.join(main, worker, 5'500);
  scene.order(main, a, b, 2'000, 6'000).count = 100;
  EXPECT_EQ(found(), 0U) << "whether it was there in between is not known";
}

TEST_F(LockOrderInTime, OnceBetweenCreatingAndJoiningTheOther) {
  const std::size_t worker = scene.child(main, 3'000, 5'000);
  scene.order(worker, b, a, 4'000);
  scene.join(main, worker, 5'500);
  scene.order(main, a, b, 2'000, 4'900);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, WorkersThatHappenToFollowEachOther) {
  const std::size_t first = scene.child(main, 2'000, 3'000);
  const std::size_t second = scene.child(main, 3'100, 4'000);
  scene.order(first, a, b, 2'500);
  scene.order(second, b, a, 3'500);
  scene.join(main, first, 5'000);
  scene.join(main, second, 5'100);
  EXPECT_EQ(found(), 1U) << "the second could have begun before the first ended";
}

TEST_F(LockOrderInTime, NotAWorkerCreatedAfterAnotherWasJoined) {
  const std::size_t first = scene.child(main, 2'000, 3'000);
  scene.join(main, first, 3'050);
  const std::size_t second = scene.child(main, 3'100, 4'000);
  scene.order(first, a, b, 2'500);
  scene.order(second, b, a, 3'500);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, AWorkerCreatedBeforeAnotherWasJoined) {
  const std::size_t first = scene.child(main, 2'000, 3'000);
  const std::size_t second = scene.child(main, 3'100, 4'000);
  scene.join(main, first, 3'200);
  scene.order(first, a, b, 2'500);
  scene.order(second, b, a, 3'500);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, NotWhereTheJoinerThenPassesABarrier) {
  const std::size_t other = scene.child(main, 1'500);
  const std::size_t worker = scene.child(main, 2'000, 3'000);
  scene.order(worker, a, b, 2'500);
  scene.join(main, worker, 3'100);
  scene.pass(main, barrier, 3'200, 3'500);
  scene.pass(other, barrier, 3'400, 3'600);
  scene.order(other, b, a, 4'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, WhereTheJoinerHadPassedTheBarrierBefore) {
  const std::size_t other = scene.child(main, 1'500);
  const std::size_t worker = scene.child(main, 2'000, 3'000);
  scene.order(worker, a, b, 2'500);
  scene.pass(main, barrier, 2'600, 2'900);
  scene.pass(other, barrier, 2'800, 3'000);
  scene.join(main, worker, 3'100);
  scene.order(other, b, a, 4'000);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, NotWhereOnlySomePairsOfARoundCanMeet) {
  const TracedLock c = scene.symbol(0x300, "c");
  const std::size_t first = scene.child(main, 2'000, 3'000);
  const std::size_t other = scene.child(main, 2'000);
  scene.join(main, first, 3'050);
  const std::size_t second = scene.child(main, 3'100, 4'000);
  scene.order(first, a, b, 2'500);
  scene.order(second, b, c, 3'500);
  scene.order(other, c, a, 2'600, 3'600);
  EXPECT_EQ(found(), 0U);
  scene.trace.joins.clear();
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, CreatorsAndJoinsOutOfRangeOrderNothing) {
  const std::size_t worker = scene.child(99, 3'000);
  scene.trace.threads[main].creator = main;
  scene.order(main, a, b, 2'000);
  scene.order(worker, b, a, 4'000);
  scene.join(99, main, 3'500);
  scene.join(worker, 99, 3'500);
  scene.join(worker, worker, 3'500);
  EXPECT_EQ(found(), 1U);
}

// Barriers.

TEST_F(LockOrderInTime, NotAcrossABarrier) {
  const std::size_t worker = scene.thread(1'500);
  scene.order(main, a, b, 2'000, 2'400);
  scene.pass(main, barrier, 2'500, 2'800);
  scene.pass(worker, barrier, 2'700, 2'900);
  scene.order(worker, b, a, 3'000, 9'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, NotAcrossABarrierTheOtherWayRound) {
  const std::size_t worker = scene.thread(1'500);
  scene.order(worker, b, a, 2'000, 2'400);
  scene.pass(worker, barrier, 2'500, 2'800);
  scene.pass(main, barrier, 2'700, 2'900);
  scene.order(main, a, b, 3'000, 9'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, NotInPhasesBetweenManyBarriers) {
  const std::size_t worker = scene.thread(1'500);
  scene.order(main, a, b, 2'000);
  for (std::uint64_t i = 0; i < 50; ++i) {
    scene.pass(main, barrier, 10'000 + 100 * i, 10'050 + 100 * i);
    scene.pass(worker, barrier, 10'040 + 100 * i, 10'060 + 100 * i);
  }
  scene.order(worker, b, a, 10'070);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, NotAcrossTwoBarriersWithAThirdInBetween) {
  const std::size_t worker = scene.thread(1'500);
  const std::size_t third = scene.thread(1'500);
  const TracedLock next = scene.at(0x980);
  scene.order(main, a, b, 2'000);
  scene.pass(main, barrier, 2'500, 2'800);
  scene.pass(third, barrier, 2'700, 2'900);
  scene.pass(third, next, 3'000, 3'300);
  scene.pass(worker, next, 3'200, 3'400);
  scene.order(worker, b, a, 4'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, AcrossTwoBarriersInTheWrongOrder) {
  const std::size_t worker = scene.thread(1'500);
  const std::size_t third = scene.thread(1'500);
  const TracedLock next = scene.at(0x980);
  scene.order(main, a, b, 2'000);
  scene.pass(third, next, 2'100, 2'300);
  scene.pass(worker, next, 2'200, 2'400);
  scene.pass(main, barrier, 2'500, 2'800);
  scene.pass(third, barrier, 2'700, 2'900);
  scene.order(worker, b, a, 4'000);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, OnOneSideOfTheBarrier) {
  const std::size_t worker = scene.thread(1'500);
  scene.order(main, a, b, 2'000, 2'400);
  scene.pass(main, barrier, 2'500, 2'800);
  scene.pass(worker, barrier, 2'700, 2'900);
  scene.order(worker, b, a, 2'600, 9'000);
  EXPECT_EQ(found(), 1U) << "the worker was there before it arrived";
}

TEST_F(LockOrderInTime, BarriersOfOthersOrderNothing) {
  const std::size_t worker = scene.thread(1'500);
  const std::size_t third = scene.thread(1'500);
  scene.order(main, a, b, 2'000);
  scene.pass(main, barrier, 2'500, 2'800);
  scene.pass(third, barrier, 2'600, 2'800);
  scene.pass(worker, scene.at(0x980), 2'700, 2'900);
  scene.order(worker, b, a, 3'000);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, EpisodesOfABarrierThatDoNotMeetOrderNothing) {
  const std::size_t worker = scene.thread(1'500);
  scene.order(main, a, b, 2'000);
  scene.pass(main, barrier, 2'100, 2'200);
  scene.pass(worker, barrier, 2'300, 2'400);
  scene.order(worker, b, a, 3'000);
  EXPECT_EQ(found(), 1U);
}

}  // namespace
}  // namespace lockscope::test
