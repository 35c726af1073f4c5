// SPDX-License-Identifier: Apache-2.0
#include "classify/glibc_cond.h"

namespace lockscope {
namespace {

struct Layout {
  const char* detail;
  bool has_refs;
  std::int64_t sizes, orig_size, wrefs, signals;
};
constexpr Layout kWithRefs{"glibc condition variable", true, 24, 32, 36, 40};
constexpr Layout kWithoutRefs{"glibc condition variable, 2.41 layout", false, 16, 24, 28, 32};
constexpr std::int64_t kRefs = 16;
constexpr std::uint32_t kLockMask = 3;
constexpr std::uint32_t kLockAwaited = 2;

struct Sequences {
  std::uint64_t waiters, group1;
};

// What holds whether anybody waits or not.
std::optional<Sequences> cond_at(const FutexScene& s, const Layout& layout, std::int64_t base) {
  if (!s.has(base, layout.signals + 4)) return std::nullopt;
  const std::uint64_t wseq = s.u64(base);
  const std::uint64_t g1_start = s.u64(base + 8);
  const Sequences seq{wseq >> 1, layout.has_refs ? g1_start >> 1 : g1_start};
  const std::uint32_t count = s.u32(base + layout.wrefs) >> 3;
  if (seq.waiters == 0 || wseq >> 60 != 0 || seq.group1 > seq.waiters || count > seq.waiters) return std::nullopt;
  if ((s.u32(base + layout.wrefs) & 1) == (s.call.is_private ? 1U : 0U) || count > kMaxCount) return std::nullopt;
  const std::uint32_t orig = s.u32(base + layout.orig_size);
  if (orig >> 2 > kMaxCount || (orig & kLockMask) == kLockMask) return std::nullopt;
  for (const std::int64_t group : {0, 4}) {
    const auto size = static_cast<std::int32_t>(s.u32(base + layout.sizes + group));
    constexpr auto limit = static_cast<std::int32_t>(kMaxCount);
    if (size > limit || size < -limit) return std::nullopt;
    if (layout.has_refs && s.u32(base + kRefs + group) >> 1 > count) return std::nullopt;
  }
  return seq;
}

// Whether the word can be the signal word `group` of a condition variable at `base` that this thread waits for.
bool waits_at(const FutexScene& s, const Layout& layout, std::int64_t base, std::int64_t group) {
  if (s.u32(base + layout.wrefs) >> 3 == 0) return false;
  if (layout.has_refs) return s.call.expected == 0 && s.u32(base + kRefs + group) >> 1 != 0;
  // Signals count on from the low half of the group's start.
  const auto ahead = static_cast<std::int32_t>(s.call.expected - s.u32(base + 8));
  return ahead <= 100'000 && ahead >= -100'000'000;
}

StackWitness find_record(const FutexScene& s, FutexVerdict& v, std::uint64_t wseq) {
  struct CleanupBuffer {
    std::uint64_t wseq, cond, mutex;
    std::int32_t private_flag;
    std::uint32_t pad;
  };
  const auto& stack = s.wait.stack;
  if (stack.size() < sizeof(CleanupBuffer)) return StackWitness::absent;
  const std::int32_t private_flag = s.call.is_private ? 0 : 128;  // FUTEX_PRIVATE and FUTEX_SHARED of lowlevellock
  for (std::size_t at = 0; at + sizeof(CleanupBuffer) <= stack.size(); at += 8) {
    CleanupBuffer b{};
    std::memcpy(&b, stack.data() + at, sizeof b);
    if (b.cond != v.base || b.private_flag != private_flag || b.wseq >= wseq || ((wseq - b.wseq) >> 32) != 0) continue;
    if (b.mutex == 0 || b.mutex % 4 != 0 || b.mutex >> 47 != 0) continue;
    v.needs_mutex = b.mutex;
    return StackWitness::record;
  }
  return StackWitness::no_record;
}

}  // namespace

std::optional<CondReading> glibc_cond(const FutexScene& s) {
  if (s.wait.code == CodePlace::libc_lock || s.wait.code == CodePlace::libc_private_lock) return std::nullopt;
  std::optional<CondReading> best;
  for (const Layout& layout : {kWithRefs, kWithoutRefs}) {
    for (const std::int64_t group : {0, 4}) {
      const std::int64_t base = -(layout.signals + group);
      if (!cond_at(s, layout, base) || !waits_at(s, layout, base, group)) continue;
      CondReading reading{s.verdict(LockKind::cond, base, layout.detail)};
      reading.verdict.ending = s.word_changed();
      reading.witness = find_record(s, reading.verdict, s.u64(base));
      reading.verdict.weak = reading.witness == StackWitness::no_record;
      reading.verdict.proven = reading.witness == StackWitness::record;
      if (!best || reading.witness == StackWitness::record) best = reading;
      if (reading.witness == StackWitness::record) return best;
    }
  }
  return best;
}

std::optional<FutexVerdict> glibc_cond_internal_lock(const FutexScene& s) {
  if (s.call.bitset || (s.call.expected & kLockMask) != kLockAwaited) return std::nullopt;
  for (const Layout& layout : {kWithRefs, kWithoutRefs}) {
    const std::int64_t base = -layout.orig_size;
    // Only a signal that finds waiters takes this lock.
    if (!cond_at(s, layout, base) || s.u32(base + layout.wrefs) >> 3 == 0) continue;
    FutexVerdict v = s.verdict(LockKind::libc_internal, 0, "glibc condition variable, its own lock");
    v.ending = s.word_changed();
    return v;
  }
  return std::nullopt;
}

}  // namespace lockscope
