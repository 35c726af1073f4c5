// SPDX-License-Identifier: Apache-2.0
#include "classify/futex_classifier.h"

#include "classify/futex_scene.h"
#include "classify/glibc_cond.h"
#include "classify/glibc_mutex.h"
#include "classify/glibc_pi_delay.h"
#include "classify/glibc_rwlock.h"
#include "classify/glibc_sem_barrier_once.h"
#include "classify/glibc_thread.h"
#include "classify/musl_primitives.h"

namespace lockscope {
namespace {

constexpr std::uint32_t kTidMask = 0x3fffffff;       // FUTEX_TID_MASK
constexpr std::uint32_t kOwnerDiedBit = 0x40000000;  // FUTEX_OWNER_DIED
constexpr std::uint32_t kThreeStateAwaited = 2;

FutexVerdict not_understood(const FutexScene& s) { return s.verdict(LockKind::futex, 0, "futex of a program"); }

FutexVerdict requeue_pi(const FutexScene& s) {
  FutexVerdict v = s.verdict(LockKind::cond, 0, "condition variable over a PI futex");
  v.needs_mutex = s.call.second_word;
  v.ending = s.word_changed();
  return v;
}

enum class Speaker { glibc, musl, program, unknown };

Speaker speaker_of(const RawWait& wait) {
  switch (wait.code) {
    case CodePlace::libc:
    case CodePlace::libc_private_lock:
    case CodePlace::libc_lock: return Speaker::glibc;
    case CodePlace::musl: return Speaker::musl;
    case CodePlace::libc_syscall:
    case CodePlace::other: return Speaker::program;
    case CodePlace::unknown: break;
  }
  switch (wait.libc) {
    case LibcKind::glibc: return Speaker::glibc;
    case LibcKind::musl: return Speaker::musl;
    case LibcKind::unknown: break;
  }
  return Speaker::unknown;
}

// The word of a PI futex is kernel ABI: include/uapi/linux/futex.h, kernel/futex/pi.c.
FutexVerdict pi_futex(const FutexScene& s) {
  const std::int64_t base = speaker_of(s.wait) == Speaker::musl ? musl_pi_mutex_offset(s) : 0;
  FutexVerdict v = s.verdict(LockKind::pi_mutex, base, "PI futex");
  v.owner_enforced = true;
  // Not `proven`: when the owner of a PI futex ends, the kernel wakes a waiter. One who is not there was misread.
  const std::uint32_t tid = s.word() & kTidMask;
  // Unlike in a robust mutex the bit stays set while the next owner repairs what it guards.
  v.owner_died = (s.word() & kOwnerDiedBit) != 0;
  if (tid == 0 || tid > kMaxTid) {
    v.owner_transient = true;
  } else {
    v.owner_number = static_cast<pid_t>(tid);
  }
  return v;
}

// A lock that is awaited by the value 2: pthread mutexes, streams, libc's own.
std::optional<FutexVerdict> three_state(const FutexScene& s) {
  if (s.call.expected != kThreeStateAwaited) return std::nullopt;
  if (const auto v = glibc_stdio(s)) return v;
  if (s.wait.code != CodePlace::libc_lock) {
    if (const auto v = glibc_cond_internal_lock(s)) return v;
  }
  const auto mutex = glibc_mutex(s);
  if (!mutex || mutex->weak) {
    if (const auto v = glibc_rwlock(s)) return v;
  }
  if (mutex) return mutex;
  if (!s.code_known() || !s.call.is_private) return std::nullopt;
  FutexVerdict v = s.verdict(LockKind::libc_internal, 0, "lock inside glibc");
  v.ending = s.word_changed();
  return v;
}

// Semaphores and condition variables wait for the same value with the same call; what the stack tells decides.
std::optional<FutexVerdict> cond_or_semaphore(const FutexScene& s, const std::optional<CondReading>& cond) {
  const auto semaphore = glibc_semaphore(s);
  if (!cond) return semaphore;
  if (semaphore && cond->witness == StackWitness::no_record) return semaphore;
  return cond->verdict;
}

FutexVerdict glibc_primitive(const FutexScene& s) {
  if (const auto v = glibc_join(s)) return *v;
  const auto cond = glibc_cond(s);
  if (cond && cond->witness == StackWitness::record) return cond->verdict;
  if (const auto v = glibc_pi_delay(s)) return *v;
  if (s.call.expected != kThreeStateAwaited) {
    if (const auto v = glibc_mutex(s)) return *v;  // robust, priority protect
    if (const auto v = glibc_rwlock(s)) return *v;
  } else if (const auto v = three_state(s)) {
    return *v;
  }
  if (s.call.bitset) {
    if (const auto v = cond_or_semaphore(s, cond)) return *v;
    return not_understood(s);
  }
  if (const auto v = glibc_barrier(s)) return *v;
  if (const auto v = glibc_once(s)) return *v;
  if (cond && cond->witness == StackWitness::absent) return cond->verdict;
  if (const auto v = glibc_cond_internal_lock(s)) return *v;
  return not_understood(s);
}

}  // namespace

FutexVerdict classify_futex(const RawWait& wait, const Thread& waiter, const ThreadNumbers& threads,
                            ProcessMemory& memory) {
  const auto call = decode_futex_call(wait);
  if (!call || waiter.compat) return {};
  const FutexScene scene{*call, wait, waiter, threads, memory};
  switch (call->operation) {
    case FutexOperation::lock_pi: return pi_futex(scene);
    case FutexOperation::wait_requeue_pi: return requeue_pi(scene);
    case FutexOperation::wait_any:
    case FutexOperation::wait2: return not_understood(scene);
    case FutexOperation::wait: break;
  }
  if (wait.code != CodePlace::other) {
    if (const auto v = cxx_static_guard(scene)) return *v;
  }
  switch (speaker_of(wait)) {
    case Speaker::glibc: return glibc_primitive(scene);
    case Speaker::musl: return musl_primitive(scene);
    case Speaker::program:
    case Speaker::unknown: break;
  }
  return not_understood(scene);
}

}  // namespace lockscope
