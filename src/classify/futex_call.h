// SPDX-License-Identifier: Apache-2.0
// What a thread asked of futex(2), futex_waitv(2), futex_wait(2), or of restart_syscall(2) on behalf of the first.
// Pure decoding of registers, no memory of the process is looked at. x86_64 system call numbers.
//
// Sources: include/uapi/linux/futex.h; kernel/futex/syscalls.c (which timeouts are relative); kernel/futex/waitwake.c
// (futex_wait_restart: only a futex wait with a timeout is restarted, its argument registers stay as they were).
#pragma once

#include <cstdint>
#include <optional>

#include "lockscope/raw_sample.h"

namespace lockscope {

enum class FutexOperation {
  wait,             // FUTEX_WAIT, FUTEX_WAIT_BITSET
  lock_pi,          // FUTEX_LOCK_PI, FUTEX_LOCK_PI2
  wait_requeue_pi,  // FUTEX_WAIT_REQUEUE_PI
  wait_any,         // futex_waitv: several words
  wait2,            // futex_wait: spoken by no C library yet
};

enum class FutexClock { relative, monotonic, realtime };

struct FutexCall {
  FutexOperation operation = FutexOperation::wait;
  bool bitset = false;      // FUTEX_WAIT_BITSET: the way libc waits with, and in newer versions without, a timeout
  bool is_private = false;  // the word is one of this address space only
  std::uint64_t word = 0;   // address; 0: not known (futex_waitv whose entries could not be read)
  std::uint32_t expected = 0;
  std::uint64_t second_word = 0;  // FUTEX_WAIT_REQUEUE_PI: the PI futex that the thread will be moved to
  bool timed = false;
  FutexClock clock = FutexClock::relative;
  std::optional<std::uint64_t> timeout_ns;  // as given, by `clock`
};

// Nothing: not a futex system call, or an operation that does not wait.
[[nodiscard]] std::optional<FutexCall> decode_futex_call(const RawWait& wait);

// When the wait ends by itself (CLOCK_BOOTTIME). For a relative timeout the latest moment that it can be. Nothing: no
// timeout, or not known.
[[nodiscard]] std::optional<std::uint64_t> deadline_of(const FutexCall& call, const RawWait& wait,
                                                       const RawSample& sample);

}  // namespace lockscope
