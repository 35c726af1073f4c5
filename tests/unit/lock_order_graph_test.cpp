// SPDX-License-Identifier: Apache-2.0
// Cycles in the lock-order graph: which orders contradict each other, and which only seem to.
#include "model/lock_order_graph.h"

#include <gtest/gtest.h>

#include "trace_scene.h"

namespace lockscope::test {
namespace {

class LockOrder : public ::testing::Test {
 protected:
  [[nodiscard]] OrderCycles find(std::size_t limit = kMostOrderCycles) {
    return find_order_cycles(scene.trace, scene.names, limit);
  }
  [[nodiscard]] std::size_t found() { return find().cycles.size(); }
  // The two orders that contradict each other, unless a test changes something.
  void both_orders() {
    scene.order(t, a, b);
    scene.order(u, b, a, 3'000);
  }

  TraceScene scene;
  std::size_t t = scene.thread();
  std::size_t u = scene.thread();
  std::size_t v = scene.thread();
  TracedLock a = scene.symbol(0x100, "a");
  TracedLock b = scene.symbol(0x200, "b");
  TracedLock c = scene.symbol(0x300, "c");
  TracedLock g = scene.symbol(0x400, "gate");
};

using Orders = std::vector<TraceOrder>;

TEST_F(LockOrder, BothOrdersByTwoThreads) {
  both_orders();
  const OrderCycles cycles = find();
  ASSERT_EQ(cycles.cycles.size(), 1U);
  EXPECT_EQ(cycles.cycles[0].orders, (Orders{{0, 0}, {1, 0}}));
  EXPECT_TRUE(cycles.cycles[0].one_place);
  EXPECT_TRUE(cycles.cycles[0].sure);
  EXPECT_TRUE(cycles.complete);
}

TEST_F(LockOrder, RoundOfThree) {
  scene.order(t, a, b);
  scene.order(u, b, c);
  scene.order(v, c, a);
  const OrderCycles cycles = find();
  ASSERT_EQ(cycles.cycles.size(), 1U);
  EXPECT_EQ(cycles.cycles[0].orders, (Orders{{0, 0}, {1, 0}, {2, 0}}));
  EXPECT_TRUE(cycles.complete);
}

TEST_F(LockOrder, HeldWithOthersInBetween) {
  scene.chain(t, {scene.taken(a), scene.taken(c)}, scene.taken(b));
  scene.chain(u, {scene.taken(g), scene.taken(b)}, scene.taken(a));
  const OrderCycles cycles = find();
  ASSERT_EQ(cycles.cycles.size(), 1U);
  EXPECT_EQ(cycles.cycles[0].orders, (Orders{{0, 0}, {1, 1}}));
}

TEST_F(LockOrder, TwoThatShareALock) {
  both_orders();
  scene.order(u, b, c);
  scene.order(v, c, b);
  EXPECT_EQ(found(), 2U);
}

TEST_F(LockOrder, ShorterCyclesComeFirst) {
  const TracedLock d = scene.symbol(0x500, "d");
  scene.order(t, a, b);
  scene.order(u, b, c);
  scene.order(v, c, a);
  scene.order(t, c, d);
  scene.order(u, d, c);
  const OrderCycles cycles = find();
  ASSERT_EQ(cycles.cycles.size(), 2U);
  EXPECT_EQ(cycles.cycles[0].orders.size(), 2U);
  EXPECT_EQ(cycles.cycles[1].orders.size(), 3U);
}

TEST_F(LockOrder, OneCycleForAClassWithItsInstances) {
  for (std::uint64_t i = 0; i < 5; ++i) {
    const TracedLock x = scene.heap(0x10000 + 0x10000 * i, "x");
    const TracedLock y = scene.heap(0x14000 + 0x10000 * i, "y");
    scene.order(t, x, y);
    scene.order(u, y, x);
  }
  const OrderCycles cycles = find();
  ASSERT_EQ(cycles.cycles.size(), 1U);
  EXPECT_FALSE(cycles.cycles[0].sure) << "memory may have been used again";
}

TEST_F(LockOrder, CountsOccurrencesAndThreads) {
  scene.order(t, a, b, 2'000, 9'000).count = 7;
  scene.order(v, a, b).count = 3;
  scene.order(u, b, a);
  const OrderCycles cycles = find();
  ASSERT_EQ(cycles.cycles.size(), 1U);
  EXPECT_EQ(cycles.cycles[0].counts, (std::vector<std::uint64_t>{10, 1}));
  EXPECT_EQ(cycles.cycles[0].threads, (std::vector<std::uint64_t>{2, 1}));
}

TEST_F(LockOrder, StopsAtItsLimit) {
  both_orders();
  scene.order(u, b, c);
  scene.order(v, c, b);
  const OrderCycles cycles = find(1);
  EXPECT_EQ(cycles.cycles.size(), 1U);
  EXPECT_FALSE(cycles.complete);
}

TEST_F(LockOrder, AfterAConditionWait) {
  scene.order(t, a, b).wanted.by = TakenBy::after_condition_wait;
  scene.order(u, b, a);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrder, OfEveryKindThatIsHeld) {
  for (const LockKind kind : {LockKind::recursive_mutex, LockKind::errorcheck_mutex, LockKind::robust_mutex,
                              LockKind::pi_mutex, LockKind::rwlock, LockKind::spin}) {
    TraceScene one;
    const std::size_t x = one.thread();
    const std::size_t y = one.thread();
    LockChain& first = one.order(x, a, b);
    first.held[0].kind = first.wanted.kind = kind;
    LockChain& second = one.order(y, b, a);
    second.held[0].kind = second.wanted.kind = kind;
    EXPECT_EQ(find_order_cycles(one.trace, one.names).cycles.size(), 1U) << name_of(kind);
  }
}

// No cycle.

TEST_F(LockOrder, NotOneOrderOnly) {
  scene.order(t, a, b);
  scene.order(u, a, b);
  scene.order(v, b, c);
  EXPECT_EQ(found(), 0U);
  EXPECT_TRUE(find().complete);
}

TEST_F(LockOrder, NotByOneThreadAlone) {
  scene.order(t, a, b);
  scene.order(t, b, a, 3'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, NotThreeEdgesByTwoThreads) {
  scene.order(t, a, b);
  scene.order(u, b, c);
  scene.order(t, c, a);
  EXPECT_EQ(found(), 0U);
  scene.order(v, c, a);
  EXPECT_EQ(found(), 1U) << "each has its own now";
}

TEST_F(LockOrder, FindsTheThreadsThatFit) {
  scene.order(t, a, b);
  scene.order(u, a, b);
  scene.order(t, b, c);
  scene.order(t, c, a);
  scene.order(v, c, a);
  EXPECT_EQ(find().cycles.size(), 1U) << "u, t, v";
}

TEST_F(LockOrder, NotBehindAGate) {
  scene.chain(t, {scene.taken(g), scene.taken(a)}, scene.taken(b));
  scene.chain(u, {scene.taken(g), scene.taken(b)}, scene.taken(a));
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, NotBehindAGateTakenLast) {
  scene.chain(t, {scene.taken(a), scene.taken(g)}, scene.taken(b));
  scene.chain(u, {scene.taken(b), scene.taken(g)}, scene.taken(a));
  EXPECT_EQ(found(), 0U) << "though the gate itself is taken in both";
}

TEST_F(LockOrder, NotBehindAGateThatAWriterExcludesReadersFrom) {
  scene.chain(t, {scene.read(g), scene.taken(a)}, scene.taken(b));
  scene.chain(u, {scene.written(g), scene.taken(b)}, scene.taken(a));
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, NotBehindASemaphoreThatIsHeldAsAGate) {
  Acquisition gate = scene.taken(g);
  gate.kind = LockKind::sem;
  scene.chain(t, {gate, scene.taken(a)}, scene.taken(b));
  scene.chain(u, {gate, scene.taken(b)}, scene.taken(a));
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, ReadersAreNoGate) {
  scene.chain(t, {scene.read(g), scene.taken(a)}, scene.taken(b));
  scene.chain(u, {scene.read(g), scene.taken(b)}, scene.taken(a));
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrder, AGateOfSomeOccurrencesOnly) {
  scene.chain(t, {scene.taken(g), scene.taken(a)}, scene.taken(b));
  scene.chain(u, {scene.taken(g), scene.taken(b)}, scene.taken(a));
  scene.chain(u, {scene.taken(b)}, scene.taken(a));
  const OrderCycles cycles = find();
  ASSERT_EQ(cycles.cycles.size(), 1U);
  EXPECT_EQ(cycles.cycles[0].orders[1].chain, 2U);
}

TEST_F(LockOrder, NotIfTwoOfThreeHaveAGate) {
  scene.chain(t, {scene.taken(g), scene.taken(a)}, scene.taken(b));
  scene.chain(u, {scene.taken(g), scene.taken(b)}, scene.taken(c));
  scene.order(v, c, a);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, TwoThatNeedNoThird) {
  scene.order(t, a, b);
  scene.chain(u, {scene.taken(a), scene.taken(b)}, scene.taken(c));
  scene.order(v, c, a);
  EXPECT_EQ(found(), 1U) << "a and c";
  EXPECT_EQ(find().cycles[0].orders.size(), 2U);
}

TEST_F(LockOrder, TwoGatesAreNone) {
  const TracedLock h = scene.symbol(0x500, "other");
  scene.chain(t, {scene.taken(g), scene.taken(a)}, scene.taken(b));
  scene.chain(u, {scene.taken(h), scene.taken(b)}, scene.taken(a));
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrder, NotIfMoreWasHeldThanIsListed) {
  scene.order(t, a, b).truncated = true;
  scene.order(u, b, a);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, NotReadersOnly) {
  scene.chain(t, {scene.read(a)}, scene.read(b));
  scene.chain(u, {scene.read(b)}, scene.read(a));
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, NotIfOneLockDoesNotBlock) {
  scene.chain(t, {scene.read(a)}, scene.written(b));
  scene.chain(u, {scene.written(b)}, scene.read(a));
  EXPECT_EQ(found(), 0U) << "both only read a";
}

TEST_F(LockOrder, AWriterBlocksReaders) {
  scene.chain(t, {scene.read(a)}, scene.written(b));
  scene.chain(u, {scene.read(b)}, scene.written(a));
  EXPECT_EQ(found(), 1U);
  TraceScene other;
  other.thread();
  other.thread();
  other.chain(0, {scene.written(a)}, scene.read(b));
  other.chain(1, {scene.written(b)}, scene.read(a));
  EXPECT_EQ(find_order_cycles(other.trace, other.names).cycles.size(), 1U);
}

TEST_F(LockOrder, NotTriesNorTimedCalls) {
  for (const TakenBy by : {TakenBy::trying, TakenBy::timed}) {
    TraceScene one;
    one.thread();
    one.thread();
    one.order(0, a, b).wanted.by = by;
    one.order(1, b, a);
    EXPECT_TRUE(find_order_cycles(one.trace, one.names).cycles.empty());
  }
  LockChain& chain = scene.order(t, a, b);
  chain.held[0].by = TakenBy::trying;
  scene.order(u, b, a);
  EXPECT_EQ(found(), 1U) << "what was got by a try is held as any other";
}

TEST_F(LockOrder, NotWhatNobodyHolds) {
  for (const LockKind kind : {LockKind::join, LockKind::sem, LockKind::barrier, LockKind::cond}) {
    TraceScene one;
    one.thread();
    one.thread();
    one.order(0, a, b).wanted.kind = kind;
    one.order(1, b, a).held[0].kind = kind;
    EXPECT_TRUE(find_order_cycles(one.trace, one.names).cycles.empty()) << name_of(kind);
  }
}

TEST_F(LockOrder, NotARecursiveLockTakenAgain) {
  scene.chain(t, {scene.taken(a), scene.taken(b)}, scene.taken(a));
  scene.order(u, a, b);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, NotAcrossProcesses) {
  scene.order(t, a, b);
  scene.order(u, scene.at(0x200, 2), scene.at(0x100, 2));
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, SameClassNestingIsNoCycle) {
  for (std::uint64_t i = 0; i < 9; ++i) {
    scene.order(i % 2, scene.heap(0x1000 * (i + 1), "account"), scene.heap(0x1000 * (i + 2), "account"));
  }
  EXPECT_EQ(found(), 0U);
  const LockChain& back = scene.order(u, scene.at(0x2000), scene.at(0x1000));
  EXPECT_NE(back.wanted.site, back.held[0].site);
  EXPECT_EQ(found(), 1U) << "two of them in both orders";
}

// Memory.

TEST_F(LockOrder, NotInAnotherLifeOfALock) {
  scene.names.classes[a] = {LockClass::By::init_site, "app:make"};
  scene.order(t, a, b, 2'000, 2'500);
  scene.life(a, 2'600, false);
  scene.life(a, 2'700, true);
  scene.order(u, b, a, 3'000, 4'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, NotAcrossAnInitAlone) {
  scene.order(t, a, b, 2'000);
  scene.life(b, 2'700, true);
  scene.order(u, b, a, 3'000);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, InOneLifeOfSeveral) {
  scene.names.classes[a] = {LockClass::By::init_site, "app:make"};
  scene.life(a, 1'500, true);
  scene.order(t, a, b, 2'000, 3'500);
  scene.life(a, 2'600, false);
  scene.life(a, 2'700, true);
  scene.order(u, b, a, 3'000);
  const OrderCycles cycles = find();
  ASSERT_EQ(cycles.cycles.size(), 1U) << "t has been there again";
  EXPECT_TRUE(cycles.cycles[0].sure);
}

TEST_F(LockOrder, NotAWalkAlongAListThatIsMadeAnew) {
  const TracedLock x = scene.heap(0x10000, "node");
  const TracedLock y = scene.heap(0x20000, "node");
  scene.place(50, "find_node");
  scene.chain(t, {scene.taken(x, Mode::exclusive, 50)}, scene.taken(y, Mode::exclusive, 50));
  scene.chain(u, {scene.taken(y, Mode::exclusive, 50)}, scene.taken(x, Mode::exclusive, 50));
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, ACommonFunctionThatLocksIsNoWalk) {
  const TracedLock x = scene.heap(0x10000, "node");
  const TracedLock y = scene.heap(0x20000, "node");
  for (const char* wrapper : {"std::mutex::lock()", "__gthread_mutex_lock(pthread_mutex_t*)", "my_lock"}) {
    scene.place(50, wrapper);
    scene.trace.chains.clear();
    scene.chain(t, {scene.taken(x, Mode::exclusive, 50)}, scene.taken(y, Mode::exclusive, 50));
    scene.chain(u, {scene.taken(y, Mode::exclusive, 50)}, scene.taken(x, Mode::exclusive, 50));
    EXPECT_EQ(found(), 1U) << wrapper;
  }
}

TEST_F(LockOrder, AWalkAlongLocksThatStayIsACycle) {
  const TracedLock x = scene.heap(0x10000, "node");
  const TracedLock y = scene.heap(0x20000, "node");
  scene.life(x, 1'500, true);
  scene.life(y, 1'500, true);
  scene.chain(t, {scene.taken(x, Mode::exclusive, 50)}, scene.taken(y, Mode::exclusive, 50));
  scene.chain(u, {scene.taken(y, Mode::exclusive, 50)}, scene.taken(x, Mode::exclusive, 50));
  EXPECT_EQ(found(), 1U);
}

// Members of two objects.

class LockOrderOfMembers : public LockOrder {
 protected:
  struct Object {
    TracedLock first;
    TracedLock second;
    TracedLock gate;
  };
  Object object(std::uint64_t address, std::uint64_t distance = 0x40) {
    return {scene.heap(address, "first"), scene.heap(address + distance, "second"), scene.heap(address + 8, "gate")};
  }
  Object one = object(0x10000);
  Object other = object(0x20000);
};

TEST_F(LockOrderOfMembers, InOppositeOrders) {
  scene.order(t, one.first, one.second);
  scene.order(u, other.second, other.first);
  const OrderCycles cycles = find();
  ASSERT_EQ(cycles.cycles.size(), 1U);
  EXPECT_EQ(cycles.cycles[0].orders, (Orders{{0, 0}, {1, 0}}));
  EXPECT_FALSE(cycles.cycles[0].one_place);
  EXPECT_FALSE(cycles.cycles[0].sure);
}

TEST_F(LockOrderOfMembers, NotTwiceWhereOneObjectHasBoth) {
  scene.order(t, one.first, one.second);
  scene.order(u, other.second, other.first);
  scene.order(u, one.second, one.first);
  const OrderCycles cycles = find();
  ASSERT_EQ(cycles.cycles.size(), 1U);
  EXPECT_TRUE(cycles.cycles[0].one_place);
}

TEST_F(LockOrderOfMembers, NotAtOtherPlaces) {
  other = object(0x20000, 0x48);
  scene.order(t, one.first, one.second);
  scene.order(u, other.second, other.first);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderOfMembers, NotFarApart) {
  one = object(0x10000, 0x1000);
  other = object(0x20000, 0x1000);
  scene.order(t, one.first, one.second);
  scene.order(u, other.second, other.first);
  EXPECT_EQ(found(), 0U);
  one = object(0x10000, 0xff8);
  other = object(0x20000, 0xff8);
  scene.order(t, one.first, one.second);
  scene.order(u, other.second, other.first);
  EXPECT_EQ(found(), 1U);
}

TEST_F(LockOrderOfMembers, NotOfOneClass) {
  for (const Object& o : {one, other}) scene.names.classes[o.second] = scene.names.classes[o.first];
  scene.order(t, one.first, one.second);
  scene.order(u, other.second, other.first);
  EXPECT_EQ(found(), 0U) << "an array of locks";
}

TEST_F(LockOrderOfMembers, NotByOneThread) {
  scene.order(t, one.first, one.second);
  scene.order(t, other.second, other.first);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderOfMembers, NotInOneOrder) {
  scene.order(t, one.first, one.second);
  scene.order(u, other.first, other.second);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderOfMembers, NotBehindTheGateOfEach) {
  scene.chain(t, {scene.taken(one.gate), scene.taken(one.first)}, scene.taken(one.second));
  scene.chain(u, {scene.taken(other.gate), scene.taken(other.second)}, scene.taken(other.first));
  EXPECT_EQ(found(), 0U) << "in one object there would be one gate";
}

TEST_F(LockOrderOfMembers, NotOfReaders) {
  scene.chain(t, {scene.read(one.first)}, scene.taken(one.second));
  scene.chain(u, {scene.taken(other.second)}, scene.read(other.first));
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderOfMembers, NotInTwoProcesses) {
  const TracedLock first = scene.at(other.first.address, 2);
  const TracedLock second = scene.at(other.second.address, 2);
  scene.names.classes[first] = scene.names.classes[one.first];
  scene.names.classes[second] = scene.names.classes[one.second];
  scene.order(t, one.first, one.second);
  scene.order(u, second, first);
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrderOfMembers, NotIfTheOtherHadNotStarted) {
  u = scene.child(t, 2'500);
  scene.order(t, one.first, one.second, 2'000);
  scene.order(u, other.second, other.first, 3'000);
  EXPECT_EQ(found(), 0U);
}

// Hostile or broken input.

TEST_F(LockOrder, NotWhatIsOutOfRange) {
  both_orders();
  scene.trace.chains[0].thread = 99;
  EXPECT_EQ(found(), 0U);
  scene.trace.chains[0].thread = t;
  std::swap(scene.trace.chains[1].first_ns, scene.trace.chains[1].last_ns);
  scene.trace.chains[1].first_ns = 5'000;
  EXPECT_EQ(found(), 0U) << "first after last";
  scene.trace.chains[1].last_ns = 5'000;
  scene.pass(99, g, 1, 2);
  scene.pass(t, g, 9, 2);
  EXPECT_EQ(found(), 1U);
  scene.trace.chains[1].held.clear();
  EXPECT_EQ(found(), 0U);
}

TEST_F(LockOrder, NothingInAnEmptyTrace) {
  TraceScene empty;
  const OrderCycles cycles = find_order_cycles(empty.trace, empty.names);
  EXPECT_TRUE(cycles.cycles.empty());
  EXPECT_TRUE(cycles.complete);
}

}  // namespace
}  // namespace lockscope::test
