// SPDX-License-Identifier: Apache-2.0
// All that the rules of one futex wait look at: the call, the bytes around its word, and who lives in the process.
// Made by futex_classifier.cpp, read by the families of primitives (glibc_*.h, musl_primitives.h). The bytes are those
// of a watched process: any of them may be anything. Every offset is relative to the futex word.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>

#include "classify/futex_call.h"
#include "classify/futex_verdict.h"
#include "classify/thread_numbers.h"
#include "lockscope/source.h"

namespace lockscope {

inline constexpr std::uint32_t kMaxTid = 4'194'304;  // PID_MAX_LIMIT of include/linux/threads.h
// More waiters, readers or users than any real object has: such a count is something else.
inline constexpr std::uint32_t kMaxCount = 1'000'000;

struct FutexScene {
  const FutexCall& call;
  const RawWait& wait;
  const Thread& waiter;
  const ThreadNumbers& threads;
  ProcessMemory& memory;

  [[nodiscard]] bool has(std::int64_t offset, std::int64_t length) const {
    const MemoryWindow& w = wait.window;
    return offset >= w.low && offset >= -kWindowBefore && offset + length <= w.high && offset + length <= kWindowAfter;
  }
  [[nodiscard]] std::uint32_t u32(std::int64_t offset) const { return value_at<std::uint32_t>(offset); }
  [[nodiscard]] std::uint64_t u64(std::int64_t offset) const { return value_at<std::uint64_t>(offset); }
  [[nodiscard]] std::uint32_t word() const { return u32(0); }
  [[nodiscard]] bool word_changed() const { return word() != call.expected; }

  // Whether the instruction that waits is known to be one of the C library; false: only memory can tell.
  [[nodiscard]] bool code_known() const { return wait.code != CodePlace::unknown; }
  [[nodiscard]] bool in_shared_memory() const { return !call.is_private && wait.shared.has_value(); }

  [[nodiscard]] bool is_thread_of_process(std::uint32_t number) const {
    return number != 0 && number <= kMaxTid && threads.in_memory_of(waiter, static_cast<pid_t>(number)).size() == 1;
  }
  template <class T>
  [[nodiscard]] std::optional<T> read(std::uint64_t address) const {
    T value{};
    auto* bytes = reinterpret_cast<std::uint8_t*>(&value);
    if (!memory.read(waiter.pid, address, {bytes, sizeof value})) return std::nullopt;
    return value;
  }

  // A verdict on a primitive that begins at this offset.
  [[nodiscard]] FutexVerdict verdict(LockKind kind, std::int64_t base, const char* detail) const {
    FutexVerdict v;
    v.kind = kind;
    v.base = call.word + static_cast<std::uint64_t>(base);
    v.process_shared = in_shared_memory();
    v.detail = detail;
    return v;
  }

 private:
  // Only offsets that has() allowed reach this with a value; anything else reads as 0.
  template <class T>
  [[nodiscard]] T value_at(std::int64_t offset) const {
    T value{};
    if (has(offset, sizeof value)) {
      std::memcpy(&value, wait.window.bytes.data() + kWindowBefore + offset, sizeof value);
    }
    return value;
  }
};

}  // namespace lockscope
