// SPDX-License-Identifier: Apache-2.0
#include "classify/glibc_thread.h"

#include <array>

namespace lockscope {
namespace {

constexpr std::uint64_t kTidOffset = 720;
constexpr std::uint64_t kJoinStateOffset = 1576;
constexpr std::uint32_t kExiting = 1;
constexpr std::uint32_t kJoinable = 2;
constexpr std::uint32_t kAwaited = 2;
constexpr std::uint32_t kMaxRecursion = 100'000;

// The TID that the structure at this address holds, if it is a struct pthread of a live thread of the process.
std::optional<pid_t> thread_described_at(const FutexScene& s, std::uint64_t address) {
  if (address < 0x10000 || address % 16 != 0 || address >> 47 != 0) return std::nullopt;
  const auto header = s.read<std::array<std::uint64_t, 3>>(address);
  if (!header || (*header)[0] != address || (*header)[2] != address) return std::nullopt;
  const auto tid = s.read<std::uint32_t>(address + kTidOffset);
  if (!tid || !s.is_thread_of_process(*tid)) return std::nullopt;
  return static_cast<pid_t>(*tid);
}

FutexVerdict join_of(const FutexScene& s, pid_t target, std::uint64_t offset, const char* detail) {
  FutexVerdict v = s.verdict(LockKind::join, -static_cast<std::int64_t>(offset), detail);
  v.owner_number = target;
  v.owner_enforced = true;
  v.proven = true;
  v.ending = s.word_changed();
  return v;
}

}  // namespace

std::optional<FutexVerdict> glibc_join(const FutexScene& s) {
  if (s.call.is_private || s.wait.code == CodePlace::libc_lock || s.wait.code == CodePlace::libc_private_lock) {
    return std::nullopt;
  }
  const std::uint32_t expected = s.call.expected;
  if (s.is_thread_of_process(expected)) {
    const auto target = thread_described_at(s, s.call.word - kTidOffset);
    if (target && static_cast<std::uint32_t>(*target) == expected) {
      return join_of(s, *target, kTidOffset, "glibc pthread_join");
    }
  }
  if (expected == kExiting || expected == kJoinable) {
    if (const auto target = thread_described_at(s, s.call.word - kJoinStateOffset)) {
      return join_of(s, *target, kJoinStateOffset, "glibc pthread_join, 2.43 layout");
    }
  }
  return std::nullopt;
}

std::optional<FutexVerdict> glibc_stdio(const FutexScene& s) {
  if (s.call.bitset || !s.call.is_private || s.call.expected != kAwaited || s.wait.code == CodePlace::libc_lock ||
      !s.has(0, 16)) {
    return std::nullopt;
  }
  const std::uint64_t owner = s.u64(8);
  if (owner == 0 || s.u32(4) > kMaxRecursion) return std::nullopt;
  const auto tid = thread_described_at(s, owner);
  if (!tid) return std::nullopt;
  FutexVerdict v = s.verdict(LockKind::stdio, 0, "glibc stream or other recursive lock of libc");
  v.owner_number = *tid;
  v.ending = s.word_changed();
  return v;
}

}  // namespace lockscope
