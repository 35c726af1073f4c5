// SPDX-License-Identifier: Apache-2.0
#include "classify/futex_call.h"

#include <gtest/gtest.h>

#include <cstring>

namespace lockscope {
namespace {

RawWait futex(std::uint64_t op, std::uint64_t timeout = 0) {
  RawWait w;
  w.syscall = 202;
  w.args = {0x1000, op, 7, timeout, 0x2000, 0};
  return w;
}

TEST(FutexCall, DecodesEveryWaitingOperation) {
  struct Row {
    std::uint64_t op;
    FutexOperation operation;
    bool bitset, is_private;
    FutexClock clock;
  };
  const Row rows[] = {
      {0x00, FutexOperation::wait, false, false, FutexClock::relative},
      {0x80, FutexOperation::wait, false, true, FutexClock::relative},
      {0x89, FutexOperation::wait, true, true, FutexClock::monotonic},
      {0x189, FutexOperation::wait, true, true, FutexClock::realtime},
      {0x109, FutexOperation::wait, true, false, FutexClock::realtime},
      {0x86, FutexOperation::lock_pi, false, true, FutexClock::realtime},
      {0x06, FutexOperation::lock_pi, false, false, FutexClock::realtime},
      {0x8d, FutexOperation::lock_pi, false, true, FutexClock::monotonic},
      {0x18d, FutexOperation::lock_pi, false, true, FutexClock::realtime},
      {0x8b, FutexOperation::wait_requeue_pi, false, true, FutexClock::monotonic},
  };
  for (const Row& row : rows) {
    const auto call = decode_futex_call(futex(row.op));
    ASSERT_TRUE(call) << std::hex << row.op;
    EXPECT_EQ(call->operation, row.operation) << std::hex << row.op;
    EXPECT_EQ(call->bitset, row.bitset) << std::hex << row.op;
    EXPECT_EQ(call->is_private, row.is_private) << std::hex << row.op;
    EXPECT_EQ(call->clock, row.clock) << std::hex << row.op;
    EXPECT_EQ(call->word, 0x1000u);
    EXPECT_EQ(call->expected, 7u);
    EXPECT_FALSE(call->timed);
  }
}

TEST(FutexCall, IsNothingForOperationsThatDoNotWait) {
  for (const std::uint64_t op : {0x81u, 0x03u, 0x04u, 0x87u, 0x88u, 0x0cu, 0x8au, 0x7fu}) {
    EXPECT_FALSE(decode_futex_call(futex(op))) << std::hex << op;
  }
  RawWait poll = futex(0x80);
  poll.syscall = 7;
  EXPECT_FALSE(decode_futex_call(poll));
}

TEST(FutexCall, IgnoresWhatTheKernelIgnores) {
  RawWait w = futex(0xdead000000000080);
  w.args[2] = 0xffffffff00000007;
  const auto call = decode_futex_call(w);
  ASSERT_TRUE(call);
  EXPECT_TRUE(call->is_private);
  EXPECT_EQ(call->expected, 7u);
}

TEST(FutexCall, ARestartedCallIsOneOnlyIfItWasAFutex) {
  RawWait w = futex(0x80, 0x3000);
  w.syscall = 219;
  EXPECT_FALSE(decode_futex_call(w));
  w.restarted = true;
  ASSERT_TRUE(decode_futex_call(w));
  EXPECT_TRUE(decode_futex_call(w)->timed);
}

TEST(FutexCall, NamesTheFirstWordOfAVector) {
  RawWait w;
  w.syscall = 449;
  w.args = {0x1000, 2, 0, 0x3000, 1, 0};
  auto call = decode_futex_call(w);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->operation, FutexOperation::wait_any);
  EXPECT_EQ(call->word, 0u) << "the entries could not be read";
  EXPECT_EQ(call->clock, FutexClock::monotonic);

  const std::uint64_t entry[] = {9, 0x4000, 0x82};
  w.argument.resize(sizeof entry);
  std::memcpy(w.argument.data(), entry, sizeof entry);
  call = decode_futex_call(w);
  EXPECT_EQ(call->word, 0x4000u);
  EXPECT_EQ(call->expected, 9u);
  EXPECT_TRUE(call->is_private);
}

TEST(FutexCall, DecodesFutexWait) {
  RawWait w;
  w.syscall = 455;
  w.args = {0x1000, 5, 0xffffffff, 0x82, 0x3000, 0};
  const auto call = decode_futex_call(w);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->operation, FutexOperation::wait2);
  EXPECT_EQ(call->expected, 5u);
  EXPECT_TRUE(call->is_private);
  EXPECT_TRUE(call->timed);
  EXPECT_EQ(call->clock, FutexClock::realtime);
}

class Deadline : public ::testing::Test {
 protected:
  Deadline() {
    sample.threads.emplace_back();
    sample.taken_ns = 10'000;
    sample.duration_ns = 100;
    sample.monotonic_offset_ns = 500;
    sample.realtime_offset_ns = 1'000'000;
  }
  std::optional<std::uint64_t> of(std::uint64_t op, std::optional<std::uint64_t> timeout, bool restarted = false) {
    RawWait w = futex(op, 0x3000);
    w.timeout_ns = timeout;
    w.restarted = restarted;
    return deadline_of(*decode_futex_call(w), w, sample);
  }
  RawSample sample;
};

TEST_F(Deadline, IsInBootTimeWhateverTheClock) {
  EXPECT_EQ(of(0x89, 20'000), 20'500u);
  EXPECT_EQ(of(0x189, 1'030'000), 30'000u);
}

TEST_F(Deadline, OfARelativeTimeoutIsTheLatestPossible) {
  EXPECT_EQ(of(0x80, 3'000), std::nullopt) << "nobody knows since when";
  sample.threads[0].blocked_ns = 2'000;
  EXPECT_EQ(of(0x80, 3'000), 11'100u);
  EXPECT_EQ(of(0x80, 3'000, true), std::nullopt) << "counts from a start before the restart";
}

TEST_F(Deadline, IsUnknownWhereTheTimeoutIsUnreadableOrEndless) {
  EXPECT_EQ(of(0x89, std::nullopt), std::nullopt);
  EXPECT_EQ(of(0x89, ~std::uint64_t{0}), std::nullopt);
  RawWait w = futex(0x89);
  w.timeout_ns = 5;  // of no timeout at all
  EXPECT_EQ(deadline_of(*decode_futex_call(w), w, sample), std::nullopt);
}

}  // namespace
}  // namespace lockscope
