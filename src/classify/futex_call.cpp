// SPDX-License-Identifier: Apache-2.0
#include "classify/futex_call.h"

#include <linux/futex.h>

#include <cstring>
#include <limits>

namespace lockscope {
namespace {

constexpr std::int64_t kFutex = 202;
constexpr std::int64_t kRestartSyscall = 219;
constexpr std::int64_t kFutexWaitv = 449;
constexpr std::int64_t kFutexWait = 455;
constexpr int kLockPi2 = 13;                   // FUTEX_LOCK_PI2, Linux 5.14
constexpr std::uint32_t kFutex2Private = 128;  // FUTEX2_PRIVATE

// struct futex_waitv of include/uapi/linux/futex.h
struct WaitvEntry {
  std::uint64_t expected;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};
static_assert(sizeof(WaitvEntry) == 24);

FutexClock clock_of(std::uint64_t clockid) { return clockid == 0 ? FutexClock::realtime : FutexClock::monotonic; }

std::optional<FutexCall> decode_futex(const RawWait& wait) {
  FutexCall call;
  call.word = wait.args[0];
  const auto op = static_cast<std::uint32_t>(wait.args[1]);
  call.is_private = (op & FUTEX_PRIVATE_FLAG) != 0;
  call.expected = static_cast<std::uint32_t>(wait.args[2]);
  call.timed = wait.args[3] != 0;
  const FutexClock absolute = (op & FUTEX_CLOCK_REALTIME) != 0 ? FutexClock::realtime : FutexClock::monotonic;
  switch (static_cast<int>(op & static_cast<std::uint32_t>(FUTEX_CMD_MASK))) {
    case FUTEX_WAIT: call.clock = FutexClock::relative; break;
    case FUTEX_WAIT_BITSET:
      call.bitset = true;
      call.clock = absolute;
      break;
    case FUTEX_LOCK_PI:
      call.operation = FutexOperation::lock_pi;
      call.clock = FutexClock::realtime;
      break;
    case kLockPi2:
      call.operation = FutexOperation::lock_pi;
      call.clock = absolute;
      break;
    case FUTEX_WAIT_REQUEUE_PI:
      call.operation = FutexOperation::wait_requeue_pi;
      call.second_word = wait.args[4];
      call.clock = absolute;
      break;
    default: return std::nullopt;
  }
  return call;
}

FutexCall decode_waitv(const RawWait& wait) {
  FutexCall call;
  call.operation = FutexOperation::wait_any;
  call.timed = wait.args[3] != 0;
  call.clock = clock_of(wait.args[4]);
  if (wait.args[1] >= 1 && wait.argument.size() >= sizeof(WaitvEntry)) {
    WaitvEntry first{};
    std::memcpy(&first, wait.argument.data(), sizeof first);
    call.word = first.address;
    call.expected = static_cast<std::uint32_t>(first.expected);
    call.is_private = (first.flags & kFutex2Private) != 0;
  }
  return call;
}

FutexCall decode_wait2(const RawWait& wait) {
  FutexCall call;
  call.operation = FutexOperation::wait2;
  call.bitset = true;
  call.word = wait.args[0];
  call.expected = static_cast<std::uint32_t>(wait.args[1]);
  call.is_private = (wait.args[3] & kFutex2Private) != 0;
  call.timed = wait.args[4] != 0;
  call.clock = clock_of(wait.args[5]);
  return call;
}

}  // namespace

std::optional<FutexCall> decode_futex_call(const RawWait& wait) {
  std::optional<FutexCall> call;
  if (wait.syscall == kFutex || (wait.syscall == kRestartSyscall && wait.restarted)) {
    call = decode_futex(wait);
  } else if (wait.syscall == kFutexWaitv) {
    call = decode_waitv(wait);
  } else if (wait.syscall == kFutexWait) {
    call = decode_wait2(wait);
  }
  if (call && call->timed) call->timeout_ns = wait.timeout_ns;
  return call;
}

std::optional<std::uint64_t> deadline_of(const FutexCall& call, const RawWait& wait, const RawSample& sample) {
  constexpr std::uint64_t never = std::numeric_limits<std::int64_t>::max();  // KTIME_MAX
  if (!call.timed || !call.timeout_ns || *call.timeout_ns >= never) return std::nullopt;
  const std::uint64_t timeout = *call.timeout_ns;
  switch (call.clock) {
    case FutexClock::monotonic: return timeout + sample.monotonic_offset_ns;
    case FutexClock::realtime: return timeout > sample.realtime_offset_ns ? timeout - sample.realtime_offset_ns : 0;
    case FutexClock::relative: {
      // A restarted call counts from its first start, which nobody remembers.
      const auto blocked = sample.threads[wait.thread].blocked_ns;
      const std::uint64_t latest_read = sample.taken_ns + sample.duration_ns;
      if (wait.restarted || !blocked || *blocked > latest_read) return std::nullopt;
      return latest_read - *blocked + timeout;
    }
  }
  return std::nullopt;
}

}  // namespace lockscope
