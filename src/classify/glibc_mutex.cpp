// SPDX-License-Identifier: Apache-2.0
#include "classify/glibc_mutex.h"

#include <climits>

namespace lockscope {
namespace {

constexpr std::uint32_t kTypeMask = 3;
constexpr std::uint32_t kRecursive = 1;
constexpr std::uint32_t kAdaptive = 3;
constexpr std::uint32_t kRobust = 16;
constexpr std::uint32_t kPrioInherit = 32;
constexpr std::uint32_t kPrioProtect = 64;
constexpr std::uint32_t kProcessShared = 128;
constexpr std::uint32_t kElision = 256;
constexpr std::uint32_t kNoElision = 512;
constexpr std::uint32_t kAnyKind = 1023;

constexpr std::uint32_t kAwaited = 2;
constexpr std::uint32_t kCeilingShift = 19;
constexpr std::uint32_t kWaitersBit = 0x80000000;
constexpr std::uint32_t kOwnerDiedBit = 0x40000000;
constexpr std::uint32_t kTidMask = 0x3fffffff;
constexpr std::uint32_t kInconsistent = INT_MAX;
constexpr std::uint32_t kNotRecoverable = INT_MAX - 1;

struct Mutex {
  std::uint32_t count, owner, users, kind;
  std::uint16_t spins, elision;
  bool listed;

  explicit Mutex(const FutexScene& s)
      : count(s.u32(4)), owner(s.u32(8)), users(s.u32(12)), kind(s.u32(16)),
        spins(static_cast<std::uint16_t>(s.u32(20))), elision(static_cast<std::uint16_t>(s.u32(20) >> 16)),
        listed(s.u64(24) != 0 || s.u64(32) != 0) {}

  [[nodiscard]] std::uint32_t type() const { return kind & kTypeMask; }
  [[nodiscard]] bool is(std::uint32_t flag) const { return (kind & flag) != 0; }
};

// What holds for every mutex, held or not.
bool well_formed(const FutexScene& s, const Mutex& m) {
  if ((m.kind & ~kAnyKind) != 0 || (m.is(kPrioInherit) && m.is(kPrioProtect))) return false;
  // Robust waits are never private; all others are exactly if the mutex is not process-shared.
  if (m.is(kRobust) ? s.call.is_private : m.is(kProcessShared) == s.call.is_private) return false;
  if (!m.is(kRobust) && m.listed) return false;
  if (m.type() != kAdaptive && m.spins != 0) return false;
  if (!m.is(kElision | kNoElision) && m.elision != 0) return false;
  return m.users <= kMaxCount && m.count <= kMaxCount;
}

LockKind kind_of(const FutexScene& s, const Mutex& m) {
  if (m.is(kPrioProtect)) return LockKind::priority_protect_mutex;
  switch (m.type()) {
    case 0: return LockKind::mutex;
    case kRecursive: return s.wait.word_in_loader ? LockKind::loader : LockKind::recursive_mutex;
    case kAdaptive: return LockKind::adaptive_mutex;
    default: return LockKind::errorcheck_mutex;
  }
}

const char* detail_of(const FutexScene& s, const Mutex& m) {
  if (m.is(kPrioProtect)) return "glibc mutex, priority protect";
  switch (m.type()) {
    case 0: return "glibc mutex";
    case kRecursive: return s.wait.word_in_loader ? "glibc loader lock" : "glibc mutex, recursive";
    case kAdaptive: return "glibc mutex, adaptive";
    default: return "glibc mutex, errorcheck";
  }
}

bool is_proven(const FutexScene& s, const Mutex& m, bool by_code) {
  // A shared mutex whose word was not seen to lie in shared memory: its owner may be out of sight.
  return by_code && (s.call.is_private || !m.is(kProcessShared) || s.wait.shared.has_value());
}

std::optional<FutexVerdict> robust(const FutexScene& s, const Mutex& m) {
  if (!m.is(kRobust) || m.is(kPrioInherit | kPrioProtect)) return std::nullopt;
  const std::uint32_t tid = s.word() & kTidMask;
  FutexVerdict v = s.verdict(LockKind::robust_mutex, 0, "glibc mutex, robust");
  v.owner_enforced = true;
  v.proven = is_proven(s, m, s.code_known());
  v.owner_died = (s.word() & kOwnerDiedBit) != 0;
  v.not_recoverable = m.owner == kNotRecoverable;
  if (tid == 0) {
    v.ending = true;  // unlocked, or left by a dead owner: the kernel or the unlock wakes a waiter
  } else if (tid <= kMaxTid) {
    v.owner_number = static_cast<pid_t>(tid);
    v.owner_transient = v.owner_died;
    // Without the waiting code as a witness the second copy of the owner has to agree.
    v.weak = !s.code_known() && (m.owner != tid && m.owner != kInconsistent);
  } else {
    return std::nullopt;
  }
  return v;
}

// Whether the owner fields are those of a held mutex, of one between two owners, or of no mutex.
enum class Ownership { held, between, impossible };

Ownership ownership_of(const FutexScene& s, const Mutex& m) {
  const bool counts = m.type() == kRecursive || m.is(kPrioProtect);
  if (!counts && m.count != 0) return Ownership::impossible;
  if (m.owner == 0) return m.count <= 1 ? Ownership::between : Ownership::impossible;
  if (m.owner > kMaxTid) return Ownership::impossible;
  if (m.users == 0 || (counts && m.count == 0)) {  // one store before or after
    return s.code_known() ? Ownership::between : Ownership::impossible;
  }
  return Ownership::held;
}

std::optional<FutexVerdict> plain_or_protected(const FutexScene& s, const Mutex& m, bool by_code) {
  if (m.is(kRobust | kPrioInherit)) return std::nullopt;
  const Ownership ownership = ownership_of(s, m);
  if (ownership == Ownership::impossible) return std::nullopt;

  FutexVerdict v = s.verdict(kind_of(s, m), 0, detail_of(s, m));
  v.owner_enforced = m.type() == kRecursive || m.type() == 2;
  v.proven = is_proven(s, m, by_code);
  v.ending = s.word_changed();
  if (m.is(kElision)) {  // owner and users are neither set nor cleared where elision took part
    v.weak = !v.proven;
    return v;
  }
  if (ownership == Ownership::between) {
    v.owner_transient = true;
    v.weak = !by_code;
    return v;
  }
  v.owner_number = static_cast<pid_t>(m.owner);
  if (s.in_shared_memory()) return v;  // whether the owner can be is for the resolver to find out
  const bool lives_here = s.is_thread_of_process(m.owner);
  if (!s.code_known()) {
    // Nothing but memory speaks for a mutex: let it be consistent with the process to the last field.
    v.weak = !lives_here || m.users > s.threads.sharing_memory_with(s.waiter).size();
  } else {
    v.weak = !lives_here && !v.proven;
  }
  return v;
}

}  // namespace

std::optional<FutexVerdict> glibc_mutex(const FutexScene& s) {
  if (!s.has(0, 40) || s.wait.code == CodePlace::libc_private_lock) return std::nullopt;
  const Mutex m(s);
  if (!well_formed(s, m)) return std::nullopt;
  const std::uint32_t expected = s.call.expected;
  if ((expected & kWaitersBit) != 0) {
    const bool names_owner = !s.call.is_private && (expected & kTidMask) != 0;
    return names_owner && s.wait.code != CodePlace::libc_lock ? robust(s, m) : std::nullopt;
  }
  if (expected == kAwaited) {
    if (m.is(kPrioProtect)) return std::nullopt;
    return plain_or_protected(s, m, s.wait.code == CodePlace::libc_lock);
  }
  if ((expected & ((1U << kCeilingShift) - 1)) == kAwaited && m.is(kPrioProtect)) {
    return plain_or_protected(s, m, s.code_known());
  }
  return std::nullopt;
}

}  // namespace lockscope
