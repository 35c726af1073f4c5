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

TEST_F(LockOrderInTime, NotSetUpBeforeTheOtherStarted) {
  scene.order(main, a, b, 2'000, 2'900);
  const std::size_t worker = scene.thread(3'000);
  scene.order(worker, b, a, 4'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, NotTornDownAfterTheOtherEnded) {
  const std::size_t worker = scene.thread(3'000, 5'000);
  scene.order(worker, b, a, 4'000);
  scene.order(main, a, b, 6'000, 9'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, NotBeforeAndAfterTheOther) {
  const std::size_t worker = scene.thread(3'000, 5'000);
  scene.order(worker, b, a, 4'000);
  scene.order(main, a, b, 2'000, 6'000).count = 100;
  EXPECT_EQ(found(), 0U) << "whether it was there in between is not known";
}

TEST_F(LockOrderInTime, OnceWhileTheOtherLived) {
  const std::size_t worker = scene.thread(3'000, 5'000);
  scene.order(worker, b, a, 4'000);
  scene.order(main, a, b, 2'000, 4'900);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, NotWorkersThatFollowEachOther) {
  const std::size_t first = scene.thread(2'000, 3'000);
  const std::size_t second = scene.thread(3'100, 4'000);
  scene.order(first, a, b, 2'500);
  scene.order(second, b, a, 3'500);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderInTime, WorkersThatLiveTogether) {
  const std::size_t first = scene.thread(2'000, 3'600);
  const std::size_t second = scene.thread(2'100, 4'000);
  scene.order(first, a, b, 2'500);
  scene.order(second, b, a, 3'500);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderInTime, NotWhereOnlySomePairsOfARoundLiveTogether) {
  const TracedLock c = scene.symbol(0x300, "c");
  const std::size_t first = scene.thread(2'000, 3'000);
  const std::size_t second = scene.thread(3'100, 4'000);
  scene.order(first, a, b, 2'500);
  scene.order(second, b, c, 3'500);
  scene.order(main, c, a, 2'600, 3'600);
  EXPECT_EQ(found(), 0U);
}

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
