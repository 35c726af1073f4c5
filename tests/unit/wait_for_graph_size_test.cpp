// SPDX-License-Identifier: Apache-2.0
// Large looks: nothing recurses and nothing is quadratic. These would overflow the stack, or not end.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "look_builder.h"

namespace lockscope::test {
namespace {

using Waits = std::vector<std::size_t>;

TEST(WaitForGraphSize, ChainOfTwentyThousandBehindAKnot) {
  constexpr pid_t count = 20'000;
  LookBuilder look;
  for (pid_t i = 0; i < count; ++i) look.thread(10, 100 + i);
  for (std::size_t i = 0; i < count; ++i) look.wait_for(i, 0x1000 + i, i == 0 ? 1 : i - 1);
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{0, 1}));
  EXPECT_EQ(solution.knots[0].victims.size(), count - 2U);
  EXPECT_EQ(solution.knots[0].victims.back(), count - 1U);
}

TEST(WaitForGraphSize, ChainOfTwentyThousandThatMoves) {
  constexpr pid_t count = 20'000;
  LookBuilder look;
  for (pid_t i = 0; i <= count; ++i) look.thread(10, 100 + i);
  for (std::size_t i = 0; i < count; ++i) look.wait_for(i, 0x1000 + i, i + 1);
  EXPECT_EQ(std::ranges::count(look.solve().stuck, true), 0);
}

TEST(WaitForGraphSize, RingOfAHundredThousand) {
  constexpr pid_t count = 100'000;
  LookBuilder look;
  for (pid_t i = 0; i < count; ++i) look.thread(10, 100 + i);
  for (std::size_t i = 0; i < count; ++i) look.wait_for(i, 0x1000 + i, (i + 1) % count);
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  Waits all(count);
  std::iota(all.begin(), all.end(), 0U);
  EXPECT_EQ(solution.knots[0].cycle, all);
}

TEST(WaitForGraphSize, ManyThatWaitForAnyThreadOfManyAreNotTheirProduct) {
  constexpr pid_t count = 20'000;
  LookBuilder look;
  for (pid_t i = 0; i < count; ++i) look.wait_for_readers(look.thread(10, 100 + i), 0x100, count);
  const auto solution = look.solve();
  ASSERT_EQ(solution.knots.size(), 1U);
  EXPECT_EQ(solution.knots[0].cycle, (Waits{0, 1}));
  EXPECT_EQ(solution.knots[0].members.size(), static_cast<std::size_t>(count));
}

TEST(WaitForGraphSize, ManySmallKnotsAreLinear) {
  constexpr pid_t count = 20'000;
  LookBuilder look;
  for (pid_t i = 0; i < count; ++i) look.thread(10, 100 + i);
  for (std::size_t i = 0; i < count; ++i) look.wait_for(i, 0x1000 + i, i ^ 1U);
  EXPECT_EQ(look.solve().knots.size(), count / 2U);
}

}  // namespace
}  // namespace lockscope::test
