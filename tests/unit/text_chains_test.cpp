// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "exporters/text/chain_view.h"
#include "exporters/text/wait_forest.h"
#include "exporters_reports.h"

namespace lockscope {
namespace {

using namespace sample_reports;
using testing::HasSubstr;
using testing::Not;

std::string shown(const Report& report) {
  std::ostringstream out;
  Painter painter(out, false, 100);
  show_chains(WaitForest(report), painter);
  return out.str();
}

std::size_t lines_in(const std::string& text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')); }

// tid waits for holder
WaitDescription edge(pid_t tid, pid_t holder, std::uint64_t age = kSecond) {
  return wait(thread("t", 1, tid), mutex(0x10), {held_by(thread("t", 1, holder))}, age);
}

TEST(WaitForest, PutsTheHolderAtTheRoot) {
  Report report;
  report.waits = {edge(3, 2), edge(2, 1), edge(4, 2, 9 * kSecond)};
  const WaitForest forest(report);
  ASSERT_EQ(forest.roots().size(), 1u);
  const auto& root = forest.node(forest.roots()[0]);
  EXPECT_EQ(root.thread->tid, 1);
  EXPECT_EQ(root.wait, nullptr);
  EXPECT_EQ(root.behind, 3u);
  ASSERT_EQ(root.waiters.size(), 1u);
  const auto& middle = forest.node(root.waiters[0]);
  EXPECT_EQ(middle.thread->tid, 2);
  ASSERT_EQ(middle.waiters.size(), 2u);
  EXPECT_EQ(forest.node(middle.waiters[0]).thread->tid, 4);  // waits longest
  EXPECT_EQ(forest.node(middle.waiters[1]).thread->tid, 3);
}

TEST(WaitForest, ReusedNumbersAreNotOneThread) {
  Report report;
  report.waits = {edge(3, 2), edge(2, 1)};
  report.waits[0].holders[0].thread->start_ns += 1;
  EXPECT_EQ(WaitForest(report).roots().size(), 2u);
}

TEST(WaitForest, LargestTreeFirst) {
  Report report;
  report.waits = {edge(11, 10), edge(21, 20), edge(22, 20)};
  const WaitForest forest(report);
  ASSERT_EQ(forest.roots().size(), 2u);
  EXPECT_EQ(forest.node(forest.roots()[0]).thread->tid, 20);
}

TEST(WaitForest, PrefersTheHolderThatItselfWaits) {
  Report report;
  report.waits = {edge(3, 8), edge(2, 1)};
  report.waits[0].holders.push_back(held_by(thread("t", 1, 2)));
  const WaitForest forest(report);
  ASSERT_EQ(forest.roots().size(), 1u);
  EXPECT_EQ(forest.node(forest.roots()[0]).behind, 2u);
}

TEST(WaitForest, LeavesOutWhatFindingsSay) {
  Report report;
  report.findings = {deadlock()};
  report.waits = report.findings[0].cycle;
  report.waits.push_back(report.findings[0].victims[0]);
  EXPECT_TRUE(WaitForest(report).roots().empty());
  report.waits.push_back(wait(thread("later", 7, 7), mutex(0x1), {held_by(report.findings[0].cycle[0].thread)}));
  const WaitForest forest(report);
  ASSERT_EQ(forest.roots().size(), 1u);
  EXPECT_TRUE(forest.node(forest.roots()[0]).in_finding);
  EXPECT_THAT(shown(report), HasSubstr("(see the finding above)"));
}

TEST(WaitForest, CutsARingOpen) {
  Report report;
  report.waits = {edge(9, 2), edge(1, 2), edge(2, 3), edge(3, 1), edge(5, 5)};
  const WaitForest forest(report);
  ASSERT_EQ(forest.roots().size(), 2u);
  const auto& ring = forest.node(forest.roots()[0]);
  EXPECT_TRUE(ring.ring);
  EXPECT_EQ(ring.thread->tid, 1);
  EXPECT_EQ(ring.behind, 3u);
  EXPECT_TRUE(forest.node(forest.roots()[1]).ring);
  EXPECT_THAT(shown(report), HasSubstr("not proved to be a deadlock"));
}

TEST(WaitForest, KeepsWaitsWithoutAHolderApart) {
  Report report;
  report.waits = {wait(thread("idle", 1, 2), mutex(0x1), {})};
  const WaitForest forest(report);
  EXPECT_TRUE(forest.roots().empty());
  EXPECT_EQ(forest.unknown().size(), 1u);
  EXPECT_EQ(shown(report), "");
}

TEST(Chains, AreDrawnAsTrees) {
  Report report;
  ThreadDescription boss = thread("boss", 1, 1);
  boss.user = "redis";
  HolderDescription holder = held_by(boss);
  holder.state = HolderDescription::State::sleeping;
  report.waits = {wait(thread("io", 1, 2), mutex(0x10), {holder}, 3 * kSecond),
                  wait(thread("io", 1, 3), mutex(0x10), {holder}, 2 * kSecond),
                  wait(thread("other", 9, 9), mutex(0x20), {held_by(thread("io", 1, 2))}, kSecond)};
  EXPECT_EQ(shown(report),
            "Wait chains  (who is waited for, and below it those who wait)\n"
            "  boss  pid 1 tid 1  redis, sleeping\n"
            "  ├─ io  pid 1 tid 2  waits 3.0s for mutex 0x10  [memory]\n"
            "  │  └─ other  pid 9 tid 9  waits 1.0s for mutex 0x20  [memory]\n"
            "  └─ io  pid 1 tid 3  waits 2.0s for mutex 0x10  [memory]\n");
}

TEST(Chains, NameAnyThreadAndTheGone) {
  Report report;
  HolderDescription any = held_by(thread("sharer", 5, 5), Evidence::kernel);
  any.any_thread = true;
  HolderDescription gone;
  gone.gone_tid = 17;
  gone.evidence = Evidence::memory;
  gone.state = HolderDescription::State::gone;
  report.waits = {wait(thread("a", 1, 1), flock("/x"), {any}), wait(thread("b", 2, 2), mutex(0x1), {gone})};
  EXPECT_THAT(shown(report), HasSubstr("  any thread of sharer  pid 5 tid 5, blocked itself\n"));
  EXPECT_THAT(shown(report), HasSubstr("  gone (it was thread 17, as the waiter counts)\n"));
}

TEST(Chains, AWideFanIsCounted) {
  Report report;
  for (pid_t i = 0; i < 30'000; ++i) report.waits.push_back(edge(2 + i, 1));
  const std::string text = shown(report);
  EXPECT_THAT(text, HasSubstr("  └─ … 29994 more threads wait behind it\n"));
  EXPECT_LT(lines_in(text), 20u);
}

TEST(Chains, ADeepChainIsCounted) {
  Report report;
  for (pid_t i = 0; i < 10'000; ++i) report.waits.push_back(edge(2 + i, 1 + i));
  const std::string text = shown(report);
  EXPECT_THAT(text, HasSubstr("└─ … 9992 threads wait behind it\n"));
  EXPECT_LT(lines_in(text), 20u);
}

TEST(Chains, ABushIsBounded) {
  Report report;
  for (pid_t i = 1; i < 30'000; ++i) report.waits.push_back(edge(1 + i, 1 + (i - 1) / 5));
  EXPECT_LT(lines_in(shown(report)), 250u);
}

TEST(Chains, ManyTreesAreCounted) {
  Report report;
  for (pid_t i = 1; i <= 500; ++i) report.waits.push_back(edge(2 * i + 1, 2 * i));
  const std::string text = shown(report);
  EXPECT_THAT(text, HasSubstr("  … 480 more chains with 480 threads waiting (--json has all)\n"));
  EXPECT_LT(lines_in(text), 60u);
}

TEST(UnknownWaits, AreListedByProcessAndLock) {
  Report report;
  report.waits = {
      wait(thread("pool", 9, 10), mutex(0x1), {}, kSecond), wait(thread("pool", 9, 11), mutex(0x1), {}, 5 * kSecond),
      wait(thread("pool", 9, 12), mutex(0x2), {}, kSecond), wait(thread("else", 8, 8), mutex(0x1), {}, kSecond)};
  std::ostringstream out;
  Painter painter(out, false, 100);
  list_unknown(WaitForest(report), painter);
  EXPECT_EQ(out.str(),
            "Waits whose holder is not known\n"
            "  else  pid 8 tid 8  waits 1.0s for mutex 0x1\n"
            "  pool  pid 9 tid 11  waits 5.0s for mutex 0x1, and 1 of its process\n"
            "  pool  pid 9 tid 12  waits 1.0s for mutex 0x2\n");
}

}  // namespace
}  // namespace lockscope
