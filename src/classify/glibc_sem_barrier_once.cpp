// SPDX-License-Identifier: Apache-2.0
#include "classify/glibc_sem_barrier_once.h"

namespace lockscope {
namespace {

constexpr std::uint32_t kShared = 128;  // as the private field of sem_t and the shared field of a barrier hold it
constexpr std::uint32_t kMaxBarrierCount = 100'000;
constexpr std::uint32_t kMaxBarrierIn = 0x7fffffff;
constexpr std::uint32_t kOnceStates = 3;
constexpr std::uint32_t kOnceInProgress = 1;
constexpr std::uint32_t kMaxForkGeneration = 0x10000;
constexpr std::uint32_t kGuardAwaited = 0x10100;

std::uint32_t sharing_of(const FutexScene& s) { return s.call.is_private ? 0 : kShared; }

}  // namespace

std::optional<FutexVerdict> glibc_semaphore(const FutexScene& s) {
  if (!s.call.bitset || s.call.expected != 0 || !s.has(0, 12)) return std::nullopt;
  const std::uint32_t waiters = s.u32(4);
  if (waiters == 0 || waiters > kMaxCount || s.u32(8) != sharing_of(s)) return std::nullopt;
  FutexVerdict v = s.verdict(LockKind::sem, 0, "glibc semaphore");
  v.ending = s.word_changed();
  return v;
}

std::optional<FutexVerdict> glibc_barrier(const FutexScene& s) {
  if (s.call.bitset || !s.has(-4, 20)) return std::nullopt;
  const std::uint32_t in = s.u32(-4);
  const std::uint32_t round = s.u32(0);
  const std::uint32_t count = s.u32(4);
  const std::uint32_t out = s.u32(12);
  if (count < 2 || count > kMaxBarrierCount || s.u32(8) != sharing_of(s)) return std::nullopt;
  if (in == 0 || in > kMaxBarrierIn || out > in || round > in || round % count != 0) return std::nullopt;
  if (s.call.expected % count != 0 || s.call.expected > round || s.call.expected >= in) return std::nullopt;
  FutexVerdict v = s.verdict(LockKind::barrier, -4, "glibc barrier");
  v.ending = s.word_changed();
  return v;
}

std::optional<FutexVerdict> glibc_once(const FutexScene& s) {
  const std::uint32_t e = s.call.expected;
  if (s.call.bitset || !s.call.is_private || (e & kOnceStates) != kOnceInProgress || e >= kMaxForkGeneration) {
    return std::nullopt;
  }
  FutexVerdict v = s.verdict(LockKind::once, 0, "glibc once");
  v.ending = s.word_changed();
  return v;
}

std::optional<FutexVerdict> cxx_static_guard(const FutexScene& s) {
  if (s.call.bitset || s.call.is_private || s.call.timed || s.call.expected != kGuardAwaited) return std::nullopt;
  FutexVerdict v = s.verdict(LockKind::once, 0, "C++ static variable, being initialised");
  v.ending = s.word_changed();
  return v;
}

}  // namespace lockscope
