// SPDX-License-Identifier: Apache-2.0
// Large traces: nothing recurses, nothing is quadratic, and work has a limit. These would overflow the stack, or not
// end.
#include <gtest/gtest.h>

#include "model/lock_order_graph.h"
#include "trace_scene.h"

namespace lockscope::test {
namespace {

constexpr std::size_t kChains = 65'536;

// Small numbers that repeat in no short while (Knuth, "Seminumerical Algorithms", 3.3.4).
class Dice {
 public:
  std::size_t below(std::size_t limit) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::size_t>(state_ >> 33) % limit;
  }

 private:
  std::uint64_t state_ = 1;
};

std::vector<TracedLock> locks_of(TraceScene& scene, std::size_t count) {
  std::vector<TracedLock> locks;
  for (std::size_t i = 0; i < count; ++i) {
    locks.push_back(scene.symbol(0x10000 * (i + 1), std::to_string(i)));
  }
  return locks;
}

TEST(LockOrderSize, ManyChainsInOneOrder) {
  TraceScene scene;
  for (int i = 0; i < 100; ++i) scene.thread();
  const auto locks = locks_of(scene, 5'000);
  Dice dice;
  for (std::size_t i = 0; i < kChains; ++i) {
    const std::size_t from = dice.below(locks.size() - 1);
    const std::size_t to = from + 1 + dice.below(locks.size() - from - 1);
    scene.order(i % 100, locks[from], locks[to]);
  }
  OrderCycles found = find_order_cycles(scene.trace, scene.names);
  EXPECT_TRUE(found.cycles.empty());
  EXPECT_TRUE(found.complete);
  scene.order(0, locks[4'999], locks[0]);
  scene.order(1, locks[0], locks[4'999]);
  found = find_order_cycles(scene.trace, scene.names);
  ASSERT_FALSE(found.cycles.empty()) << "in the one component that they all are now";
  EXPECT_EQ(found.cycles[0].orders.size(), 2U);
}

TEST(LockOrderSize, ManyChainsWithoutAnyOrder) {
  TraceScene scene;
  for (int i = 0; i < 100; ++i) scene.thread();
  const auto locks = locks_of(scene, 3'000);
  Dice dice;
  for (std::size_t i = 0; i < kChains; ++i) {
    const std::size_t from = dice.below(locks.size());
    scene.order(i % 100, locks[from], locks[(from + 1 + dice.below(locks.size() - 1)) % locks.size()]);
  }
  const OrderCycles found = find_order_cycles(scene.trace, scene.names);
  EXPECT_EQ(found.cycles.size(), kMostOrderCycles);
  EXPECT_EQ(found.cycles[0].orders.size(), 2U);
  EXPECT_FALSE(found.complete);
}

TEST(LockOrderSize, ManyChainsWithoutAnyOrderBehindAGate) {
  TraceScene scene;
  for (int i = 0; i < 100; ++i) scene.thread();
  const auto locks = locks_of(scene, 3'000);
  const TracedLock gate = scene.symbol(0x10, "gate");
  Dice dice;
  for (std::size_t i = 0; i < kChains; ++i) {
    const std::size_t from = dice.below(locks.size());
    const std::size_t to = (from + 1 + dice.below(locks.size() - 1)) % locks.size();
    scene.chain(i % 100, {scene.taken(gate), scene.taken(locks[from])}, scene.taken(locks[to]));
  }
  EXPECT_TRUE(find_order_cycles(scene.trace, scene.names).cycles.empty());
}

TEST(LockOrderSize, ManyThreadsAtTwoLocksBehindAGate) {
  TraceScene scene;
  const auto locks = locks_of(scene, 2);
  const TracedLock gate = scene.symbol(0x10, "gate");
  for (std::size_t i = 0; i < kChains; ++i) {
    scene.thread();
    scene.chain(i, {scene.taken(gate), scene.taken(locks[i % 2])}, scene.taken(locks[1 - i % 2]));
  }
  const OrderCycles found = find_order_cycles(scene.trace, scene.names);
  EXPECT_TRUE(found.cycles.empty());
  EXPECT_FALSE(found.complete) << "not each was compared with each";
}

// Each pair takes a search: a main thread creates and joins one worker after the other.
TEST(LockOrderSize, ManyThreadsOneAfterTheOther) {
  TraceScene scene;
  const std::size_t main = scene.thread();
  const auto locks = locks_of(scene, 2);
  for (std::size_t i = 0; i < kChains; ++i) {
    const std::uint64_t start = 10'000 * (i + 1);
    const std::size_t worker = scene.child(main, start, start + 2'000);
    scene.order(worker, locks[i % 2], locks[1 - i % 2], start + 1'000);
    scene.join(main, worker, start + 3'000);
  }
  EXPECT_TRUE(find_order_cycles(scene.trace, scene.names).cycles.empty());
}

TEST(LockOrderSize, ManyThreadsThatAreCreatedByEachOther) {
  TraceScene scene;
  std::size_t last = scene.thread();
  const auto locks = locks_of(scene, 2);
  for (std::size_t i = 0; i < kChains; ++i) {
    const std::uint64_t start = 10'000 * (i + 1);
    scene.order(last, locks[i % 2], locks[1 - i % 2], start - 1'000);
    last = scene.child(last, start);
  }
  EXPECT_TRUE(find_order_cycles(scene.trace, scene.names).cycles.empty());
}

TEST(LockOrderSize, MoreBarriersInBetweenThanAreFollowed) {
  TraceScene scene;
  const std::size_t main = scene.thread();
  const std::size_t worker = scene.thread();
  const auto locks = locks_of(scene, 2);
  scene.order(main, locks[0], locks[1], 2'000);
  for (std::uint64_t i = 0; i < 100'000; ++i) scene.pass(main, scene.at(0x900), 10'000 + 10 * i, 10'005 + 10 * i);
  scene.pass(worker, scene.at(0x980), 20'000, 20'001);
  scene.order(worker, locks[1], locks[0], 90'000'000);
  const OrderCycles found = find_order_cycles(scene.trace, scene.names);
  EXPECT_TRUE(found.cycles.empty());
  EXPECT_FALSE(found.complete);
}

TEST(LockOrderSize, AsManyHeldAsThereCanBe) {
  TraceScene scene;
  for (int i = 0; i < 100; ++i) scene.thread();
  const auto locks = locks_of(scene, 2'000);
  for (std::size_t i = 0; i < 4'000; ++i) {
    std::vector<Acquisition> held;
    for (std::size_t h = 0; h < 128; ++h) held.push_back(TraceScene::taken(locks[(i + h) % locks.size()]));
    scene.chain(i % 100, std::move(held), TraceScene::taken(locks[(i + 128) % locks.size()]));
  }
  const OrderCycles found = find_order_cycles(scene.trace, scene.names);
  EXPECT_LE(found.cycles.size(), kMostOrderCycles);
}

TEST(LockOrderSize, RoundTableOfAThousand) {
  TraceScene scene;
  const auto locks = locks_of(scene, 1'000);
  for (std::size_t i = 0; i < locks.size(); ++i) scene.order(scene.thread(), locks[i], locks[(i + 1) % locks.size()]);
  const OrderCycles found = find_order_cycles(scene.trace, scene.names);
  ASSERT_EQ(found.cycles.size(), 1U);
  EXPECT_EQ(found.cycles[0].orders.size(), locks.size());
  EXPECT_TRUE(found.complete);
}

TEST(LockOrderSize, RoundTableWithTooFewThreads) {
  TraceScene scene;
  for (int i = 0; i < 999; ++i) scene.thread();
  const auto locks = locks_of(scene, 1'000);
  for (std::size_t i = 0; i < locks.size(); ++i) scene.order(i % 999, locks[i], locks[(i + 1) % locks.size()]);
  EXPECT_TRUE(find_order_cycles(scene.trace, scene.names).cycles.empty());
}

TEST(LockOrderSize, ManyObjectsOfOneShape) {
  TraceScene scene;
  scene.thread();
  scene.thread();
  for (std::uint64_t i = 1; i <= 20'000; ++i) {
    const TracedLock first = scene.heap(0x1000 * i, "first");
    const TracedLock second = scene.heap(0x1000 * i + 0x40, "second");
    if (i % 2 == 0) scene.order(0, first, second);
    if (i % 2 == 1) scene.order(0, second, first);
  }
  EXPECT_TRUE(find_order_cycles(scene.trace, scene.names).cycles.empty()) << "all by one thread";
  scene.order(1, scene.at(0x1040), scene.at(0x1000));
  EXPECT_EQ(find_order_cycles(scene.trace, scene.names).cycles.size(), 1U);
}

}  // namespace
}  // namespace lockscope::test
