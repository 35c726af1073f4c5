// SPDX-License-Identifier: Apache-2.0
// lock_order_inversion: what a cycle is reported as. Which cycles there are is tested with the lock-order graph.
#include <gtest/gtest.h>

#include <set>

#include "trace_scene.h"

namespace lockscope::test {
namespace {

class Inversion : public ::testing::Test {
 protected:
  Inversion() {
    scene.place(10, "transfer(int, int)");
    scene.place(11, "transfer(int, int)");
    scene.place(20, "audit()");
    scene.place(21, "audit()");
  }
  void both_orders() {
    scene.chain(t, {scene.taken(a, Mode::exclusive, 10)}, scene.taken(b, Mode::exclusive, 11)).count = 5;
    scene.chain(u, {scene.taken(b, Mode::exclusive, 20)}, scene.taken(a, Mode::exclusive, 21));
  }
  [[nodiscard]] std::vector<Finding> found() { return scene.detect(kLockOrderInversion); }
  [[nodiscard]] static const Fact* evidence(const Finding& finding, const std::string& name) {
    for (const auto& [key, fact] : finding.evidence) {
      if (key == name) return &fact;
    }
    return nullptr;
  }
  TraceScene scene;
  std::size_t t = scene.thread(1'000, 0, "teller");
  std::size_t u = scene.thread(1'000, 0, "auditor");
  TracedLock a = scene.symbol(0x100, "g_accounts");
  TracedLock b = scene.symbol(0x200, "g_log");
};

TEST_F(Inversion, OfTwoLocks) {
  both_orders();
  ASSERT_EQ(found().size(), 1U);
  const Finding finding = found()[0];
  EXPECT_STREQ(finding.kind, "lock_order_inversion");
  EXPECT_EQ(finding.cwe, 833);
  EXPECT_EQ(finding.severity, Severity::warning);
  EXPECT_EQ(finding.confidence, Confidence::confirmed);
  EXPECT_EQ(finding.orders, (std::vector<TraceOrder>{{0, 0}, {1, 0}}));
  EXPECT_EQ(finding.summary,
            "g_accounts and g_log are taken in both orders: transfer() takes g_accounts first, audit() takes g_log "
            "first; if both happen at once, both wait for ever");
  EXPECT_EQ(std::get<std::string>(*evidence(finding, "classes")), "app:g_accounts and app:g_log");
  EXPECT_EQ(std::get<std::string>(*evidence(finding, "threads")), "teller (100) and auditor (100/101)");
  EXPECT_EQ(std::get<std::string>(*evidence(finding, "counts")), "5 and 1");
  EXPECT_EQ(evidence(finding, "search_complete"), nullptr);
}

TEST_F(Inversion, OfThreeLocks) {
  const TracedLock c = scene.symbol(0x300, "g_cache");
  const std::size_t v = scene.thread();
  scene.place(30, "evict()");
  scene.chain(t, {scene.taken(a, Mode::exclusive, 10)}, scene.taken(b, Mode::exclusive, 11));
  scene.chain(u, {scene.taken(b, Mode::exclusive, 20)}, scene.taken(c, Mode::exclusive, 21));
  scene.chain(v, {scene.taken(c, Mode::exclusive, 10)}, scene.taken(a, Mode::exclusive, 30));
  ASSERT_EQ(found().size(), 1U);
  EXPECT_EQ(found()[0].summary,
            "g_accounts, g_log and g_cache are taken in orders that go round in a circle: transfer() wants g_log while "
            "g_accounts is held, audit() wants g_cache while g_log is held, evict() wants g_accounts while g_cache is "
            "held since transfer(); if all happen at once, all wait for ever");
}

TEST_F(Inversion, OfTwoLocksOfOneClass) {
  const TracedLock x = scene.heap(0x10000, "open+0x10");
  const TracedLock y = scene.heap(0x20000, "open+0x10");
  scene.chain(t, {scene.taken(x, Mode::exclusive, 10)}, scene.taken(y, Mode::exclusive, 11));
  scene.chain(u, {scene.taken(y, Mode::exclusive, 10)}, scene.taken(x, Mode::exclusive, 11));
  ASSERT_EQ(found().size(), 1U);
  EXPECT_EQ(found()[0].confidence, Confidence::likely);
  EXPECT_EQ(
      found()[0].summary,
      "2 locks of one kind (a lock first taken in open+0x10) are taken in both orders: transfer() wants another "
      "while one is held, transfer() wants another while one is held; if both happen at once, both wait for ever");
}

TEST_F(Inversion, OfLocksWithALifeIsConfirmed) {
  const TracedLock x = scene.heap(0x10000, "x");
  const TracedLock y = scene.heap(0x20000, "y");
  scene.life(x, 1'500, true);
  scene.order(t, x, y);
  scene.order(u, y, x);
  ASSERT_EQ(found().size(), 1U);
  EXPECT_EQ(found()[0].confidence, Confidence::likely) << "y may have been used again";
  scene.life(y, 1'600, true);
  EXPECT_EQ(found()[0].confidence, Confidence::confirmed);
  scene.trace.lost["ring_buffer"] = 3;
  EXPECT_EQ(found()[0].confidence, Confidence::likely) << "a gate may have been lost";
}

TEST_F(Inversion, KeepsItsNameInAnotherRun) {
  both_orders();
  TraceScene later;
  const TracedLock log = later.symbol(0x7100, "g_log");
  const TracedLock accounts = later.symbol(0x7200, "g_accounts");
  later.place(50, "audit()");
  later.place(60, "transfer(int, int)");
  for (int i = 0; i < 3; ++i) later.thread();
  later.chain(2, {later.taken(log, Mode::exclusive, 50)}, later.taken(accounts, Mode::exclusive, 50));
  later.chain(1, {later.taken(accounts, Mode::exclusive, 60)}, later.taken(log, Mode::exclusive, 60));
  ASSERT_EQ(later.detect(kLockOrderInversion).size(), 1U);
  EXPECT_EQ(later.detect(kLockOrderInversion)[0].fingerprint, found()[0].fingerprint) << "wherever it is begun";
  later.place(60, "transfer_all()");
  EXPECT_NE(later.detect(kLockOrderInversion)[0].fingerprint, found()[0].fingerprint);
}

TEST_F(Inversion, WithoutNames) {
  both_orders();
  for (const std::uint64_t site : {10, 11}) scene.names.points[{1, site}] = CodePoint{.address = site};
  for (const std::uint64_t site : {20, 21}) {
    scene.names.points[{1, site}] = CodePoint{.address = site, .module = "/opt/lib/libx.so", .offset = 0x1c};
  }
  scene.names.classes[a] = {};
  ASSERT_EQ(found().size(), 1U);
  EXPECT_EQ(found()[0].summary,
            "a lock and g_log are taken in both orders: unknown code takes a lock first, libx.so+0x1c takes g_log "
            "first; if both happen at once, both wait for ever");
}

TEST_F(Inversion, NotOfOneOrderNorOfOneThread) {
  scene.order(t, a, b);
  EXPECT_TRUE(found().empty());
  scene.order(u, a, b);
  scene.order(t, b, a);
  scene.trace.chains.erase(scene.trace.chains.begin() + 1);
  EXPECT_TRUE(found().empty());
}

TEST_F(Inversion, OfAWorkerThatHappenedToEndBeforeTheOtherStarted) {
  const std::size_t first = scene.child(t, 2'000, 3'000);
  const std::size_t second = scene.child(t, 3'100, 4'000);
  scene.order(first, a, b, 2'500);
  scene.order(second, b, a, 3'500);
  EXPECT_EQ(found().size(), 1U);
  scene.join(t, first, 3'050);
  EXPECT_TRUE(found().empty()) << "the program waits for its end";
}

TEST_F(Inversion, NotOnceForEachPairOfAClass) {
  for (std::uint64_t i = 1; i < 20; ++i) {
    const TracedLock x = scene.heap(0x10000 * i, "x");
    const TracedLock y = scene.heap(0x10000 * i + 0x8000, "y");
    scene.order(t, x, y);
    scene.order(u, y, x);
  }
  EXPECT_EQ(found().size(), 1U);
}

}  // namespace
}  // namespace lockscope::test
