// SPDX-License-Identifier: Apache-2.0
#include "classify/musl_primitives.h"

#include <optional>

namespace lockscope {
namespace {

constexpr std::uint32_t kAwaitedBit = 0x80000000;
constexpr std::uint32_t kOwnerDiedBit = 0x40000000;
constexpr std::uint32_t kFileAwaitedBit = 0x40000000;
constexpr std::uint32_t kTidMask = 0x3fffffff;

constexpr std::uint32_t kTypeMask = 3;
constexpr std::uint32_t kRecursive = 1;
constexpr std::uint32_t kErrorcheck = 2;
constexpr std::uint32_t kRobust = 4;
constexpr std::uint32_t kPrioInherit = 8;
constexpr std::uint32_t kShared = 128;
constexpr std::uint32_t kNormalHeld = 16;  // EBUSY

constexpr std::int64_t kListPrevious = 20;  // from the futex word
constexpr std::int64_t kListNext = 28;

constexpr std::uint64_t kTidOffset = 48;
constexpr std::uint64_t kDetachStateOffset = 56;
constexpr std::uint64_t kMaxStackDistance = 4096;

bool awaited_count(const FutexScene& s, std::int64_t offset) {
  const std::uint32_t waiters = s.u32(offset);
  return waiters != 0 && waiters <= kMaxCount;
}

bool is_pointer(std::uint64_t value) { return value >= 0x10000 && value % 8 == 0 && value >> 47 == 0; }

// Whoever takes a mutex that knows its owner links it into its own list. Nothing else that is awaited so is linked.
bool is_listed(const FutexScene& s, bool pointers_are_ours) {
  const std::uint64_t previous = s.u64(kListPrevious);
  if (!is_pointer(previous) || !is_pointer(s.u64(kListNext))) return false;
  // A shared one may be in the list of another process.
  return !pointers_are_ours || s.read<std::uint64_t>(previous) == s.call.word + kListNext;
}

std::optional<FutexVerdict> mutex(const FutexScene& s) {
  if ((s.call.expected & kAwaitedBit) == 0 || !s.has(-4, 40) || !awaited_count(s, 4)) return std::nullopt;
  const std::uint32_t type = s.u32(-4);
  const std::uint32_t tid = s.word() & kTidMask;
  if ((type & ~(kTypeMask | kRobust | kPrioInherit | kShared)) != 0 || (type & kTypeMask) == kTypeMask) {
    return std::nullopt;
  }
  if (((type & kShared) == 0) != s.call.is_private || (type & kPrioInherit) != 0) return std::nullopt;
  if ((type & (kTypeMask | kRobust)) == 0) {
    if ((s.call.expected & kTidMask) != kNormalHeld) return std::nullopt;
    FutexVerdict v = s.verdict(LockKind::mutex, -4, "musl mutex");
    v.ending = tid == 0;
    return v;
  }
  const std::uint32_t expected_tid = s.call.expected & kTidMask;
  if (expected_tid == 0 || expected_tid > kMaxTid || !is_listed(s, (type & kShared) == 0)) return std::nullopt;
  const bool robust = (type & kRobust) != 0;
  const LockKind kind = robust                              ? LockKind::robust_mutex
                        : (type & kTypeMask) == kRecursive  ? LockKind::recursive_mutex
                        : (type & kTypeMask) == kErrorcheck ? LockKind::errorcheck_mutex
                                                            : LockKind::mutex;
  FutexVerdict v = s.verdict(kind, -4, robust ? "musl mutex, robust" : "musl mutex, owner-checked");
  v.owner_enforced = true;
  v.owner_died = (s.word() & kOwnerDiedBit) != 0;
  v.not_recoverable = tid == kTidMask;
  // The word is the witness here, so only the code is proof enough that an absent owner is gone.
  v.proven = s.wait.code == CodePlace::musl && (s.call.is_private || s.wait.shared.has_value());
  if (tid == 0) {
    v.ending = true;
  } else if (tid <= kMaxTid) {
    v.owner_number = static_cast<pid_t>(tid);
    v.owner_transient = v.owner_died;
    v.weak = !v.proven && !s.in_shared_memory() && !s.is_thread_of_process(tid);
  } else if (!v.not_recoverable) {
    return std::nullopt;
  }
  return v;
}

std::optional<FutexVerdict> stream(const FutexScene& s) {
  const std::uint32_t e = s.call.expected;
  const std::uint32_t tid = s.word() & kTidMask;
  if (!s.call.is_private || (e & (kAwaitedBit | kFileAwaitedBit)) != kFileAwaitedBit || !s.has(0, 4) ||
      !s.is_thread_of_process(e & kTidMask)) {
    return std::nullopt;
  }
  FutexVerdict v = s.verdict(LockKind::stdio, 0, "musl stream");
  v.ending = tid == 0;
  if (s.is_thread_of_process(tid)) v.owner_number = static_cast<pid_t>(tid);
  return v;
}

std::optional<FutexVerdict> join(const FutexScene& s) {
  if (!s.call.is_private || (s.call.expected != 1 && s.call.expected != 2)) return std::nullopt;
  const std::uint64_t thread = s.call.word - kDetachStateOffset;
  if (s.read<std::uint64_t>(thread) != thread) return std::nullopt;
  const auto tid = s.read<std::uint32_t>(thread + kTidOffset);
  if (!tid || !s.is_thread_of_process(*tid)) return std::nullopt;
  FutexVerdict v = s.verdict(LockKind::join, -static_cast<std::int64_t>(kDetachStateOffset), "musl pthread_join");
  v.owner_number = static_cast<pid_t>(*tid);
  v.owner_enforced = true;
  v.proven = true;
  v.ending = s.word_changed();
  return v;
}

// rwlock and sem_t look alike but for the last field, which has the opposite meaning.
std::optional<FutexVerdict> rwlock_or_semaphore(const FutexScene& s) {
  const std::uint32_t e = s.call.expected;
  if ((e & kAwaitedBit) == 0 || !s.has(0, 12) || !awaited_count(s, 4)) return std::nullopt;
  const std::uint32_t sharing = s.u32(8);
  if (sharing != 0 && sharing != kShared) return std::nullopt;
  if ((sharing == kShared) == s.call.is_private) {
    if (e != kAwaitedBit && e != ~0U) return std::nullopt;
    FutexVerdict v = s.verdict(LockKind::sem, 0, "musl semaphore");
    v.ending = s.word_changed();
    return v;
  }
  const std::uint32_t readers = e & ~kAwaitedBit;
  FutexVerdict v = s.verdict(LockKind::rwlock, 0, "musl rwlock");
  v.ending = s.word_changed();
  if (readers == ~kAwaitedBit) return v;  // written; by whom is not kept, nor what the waiter wants
  if (readers == 0 || readers > kMaxCount) return std::nullopt;
  // A mutex that was just taken and is not yet linked has a TID here.
  if (s.in_shared_memory() || readers <= s.threads.sharing_memory_with(s.waiter).size()) {
    v.held_by_readers = true;
    v.reader_count = readers;
  }
  return v;
}

std::optional<FutexVerdict> ownerless(const FutexScene& s) {
  const std::uint32_t e = s.call.expected;
  const std::uint32_t count = e & kTidMask;
  LockKind kind = LockKind::futex;
  const char* detail = "";
  if ((e & kAwaitedBit) != 0 && count >= 2 && count < kMaxCount) {
    kind = LockKind::libc_internal;
    detail = "musl internal lock";
  } else if (s.call.is_private && e == 3) {
    kind = LockKind::once;
    detail = "musl once";
  } else if (s.call.is_private && e == 2 && s.call.word >= s.wait.sp && s.call.word - s.wait.sp < kMaxStackDistance) {
    kind = LockKind::cond;
    detail = "musl condition variable";
  } else {
    return std::nullopt;
  }
  FutexVerdict v = s.verdict(kind, 0, detail);
  v.ending = s.word_changed();
  v.weak = true;
  return v;
}

}  // namespace

std::int64_t musl_pi_mutex_offset(const FutexScene& s) {
  const std::uint32_t type = s.u32(-4);
  const bool is_mutex = (type & kPrioInherit) != 0 && (type & ~(kTypeMask | kRobust | kPrioInherit | kShared)) == 0;
  return is_mutex ? -4 : 0;
}

FutexVerdict musl_primitive(const FutexScene& s) {
  if (!s.call.bitset) {
    for (const auto rule : {join, mutex, stream, rwlock_or_semaphore, ownerless}) {
      if (const auto v = rule(s)) return *v;
    }
  }
  return s.verdict(LockKind::futex, 0, "futex of a program");
}

}  // namespace lockscope
