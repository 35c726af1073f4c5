// SPDX-License-Identifier: Apache-2.0
#include "classify/glibc_rwlock.h"

namespace lockscope {
namespace {

constexpr std::uint32_t kWritePhase = 1;
constexpr std::uint32_t kWriteLocked = 2;
constexpr std::uint32_t kReadersWait = 4;
constexpr std::uint32_t kReaderShift = 3;
constexpr std::uint32_t kFutexAwaitedZero = 2;  // PTHREAD_RWLOCK_FUTEX_USED
constexpr std::uint32_t kFutexAwaitedOne = 3;   // … | 1
constexpr std::uint32_t kPreferWriterNonrecursive = 2;

struct RwLock {
  std::uint32_t readers, writers, phase_futex, writers_futex, cur_writer, shared, flags;
  bool padded;

  RwLock(const FutexScene& s, std::int64_t base)
      : readers(s.u32(base)), writers(s.u32(base + 4)), phase_futex(s.u32(base + 8)), writers_futex(s.u32(base + 12)),
        cur_writer(s.u32(base + 24)), shared(s.u32(base + 28)), flags(s.u32(base + 48)),
        padded(s.u64(base + 16) == 0 && s.u64(base + 32) == 0 && s.u64(base + 40) == 0) {}

  [[nodiscard]] std::uint32_t reader_count() const { return readers >> kReaderShift; }
  [[nodiscard]] bool is(std::uint32_t bit) const { return (readers & bit) != 0; }
};

// A reading of the memory, and how much of the lock's state agrees with it beyond the required.
struct Reading {
  FutexVerdict verdict;
  int agreement = 0;
};

std::optional<RwLock> rwlock_at(const FutexScene& s, std::int64_t base) {
  if (!s.has(base, 52)) return std::nullopt;
  const RwLock l(s, base);
  const bool plausible = l.padded && l.shared == (s.call.is_private ? 0U : 1U) &&
                         l.flags <= kPreferWriterNonrecursive && l.phase_futex <= 3 && l.writers_futex <= 3 &&
                         (l.writers & 0x7fffffff) <= kMaxCount && l.reader_count() <= kMaxCount &&
                         l.cur_writer <= kMaxTid;
  if (!plausible) return std::nullopt;
  return l;
}

void name_readers(FutexVerdict& v, const RwLock& l, std::uint32_t count) {
  v.held_by_readers = true;
  v.reader_count = count;
  if (count == 0 || l.is(kWritePhase)) v.ending = true;
}

// The writer that holds it, as far as it is one that can be.
void name_writer(FutexVerdict& v, const FutexScene& s, const RwLock& l, bool consistent) {
  v.owner_enforced = true;
  if (l.cur_writer == 0) {
    v.owner_transient = true;
    return;
  }
  v.owner_number = static_cast<pid_t>(l.cur_writer);
  if (s.in_shared_memory()) return;
  if (!s.is_thread_of_process(l.cur_writer) && !v.proven) v.weak = true;
  if (!s.code_known() && !consistent) v.weak = true;
}

FutexVerdict verdict_at(const FutexScene& s, std::int64_t base, Mode mode, const char* detail) {
  FutexVerdict v = s.verdict(LockKind::rwlock, base, detail);
  v.mode = mode;
  v.ending = s.word_changed();
  // Not a lock that only this code waits for: a gone owner is a fact where the place is certain as well.
  v.proven = s.code_known() && (s.call.is_private || s.wait.shared.has_value());
  return v;
}

// Word 8, expected 3: a reader, counted already, waits for the writer's phase to end.
std::optional<Reading> reader_behind_writer(const FutexScene& s) {
  if (s.call.expected != kFutexAwaitedOne) return std::nullopt;
  const auto l = rwlock_at(s, -8);
  if (!l || l->reader_count() == 0) return std::nullopt;
  Reading r{verdict_at(s, -8, Mode::shared, "glibc rwlock, reader behind the writer")};
  const bool held = l->is(kWritePhase) && l->is(kWriteLocked);
  if (!held) r.verdict.ending = true;
  name_writer(r.verdict, s, *l, held && l->phase_futex == kFutexAwaitedOne);
  r.agreement = (held ? 2 : 0) + (l->phase_futex == kFutexAwaitedOne ? 1 : 0) + (l->cur_writer != 0 ? 2 : 0);
  return r;
}

// Word 8, expected 2: the primary writer waits for the readers inside.
std::optional<Reading> writer_behind_readers(const FutexScene& s) {
  if (s.call.expected != kFutexAwaitedZero) return std::nullopt;
  const auto l = rwlock_at(s, -8);
  if (!l || !l->is(kWriteLocked)) return std::nullopt;
  Reading r{verdict_at(s, -8, Mode::exclusive, "glibc rwlock, writer behind readers")};
  name_readers(r.verdict, *l, l->reader_count());
  r.agreement = r.verdict.ending ? 0 : 3;
  return r;
}

// Word 12, expected 3: a writer waits for the primary writer.
std::optional<Reading> writer_behind_writer(const FutexScene& s) {
  if (s.call.expected != kFutexAwaitedOne) return std::nullopt;
  const auto l = rwlock_at(s, -12);
  if (!l) return std::nullopt;
  Reading r{verdict_at(s, -12, Mode::exclusive, "glibc rwlock, writer behind a writer")};
  const bool primary = l->is(kWriteLocked);
  if (!primary) r.verdict.ending = true;
  if (primary && l->cur_writer == 0 && !l->is(kWritePhase) && l->reader_count() != 0) {
    name_readers(r.verdict, *l, l->reader_count());
    r.verdict.detail = "glibc rwlock, writer behind a writer behind readers";
    r.agreement = 2;
  } else {
    name_writer(r.verdict, s, *l, primary && l->writers_futex == kFutexAwaitedOne);
    r.agreement = l->cur_writer != 0 ? 2 : 0;
  }
  r.agreement += (primary ? 2 : 0) + (l->writers_futex == kFutexAwaitedOne ? 1 : 0);
  return r;
}

// Word 0: readers hold it, a writer is next, and new readers stand behind it. Only "prefer writers, not recursive".
std::optional<Reading> reader_behind_readers(const FutexScene& s) {
  const std::uint32_t e = s.call.expected;
  if ((e & (kWritePhase | kWriteLocked | kReadersWait)) != (kWriteLocked | kReadersWait) || e >> kReaderShift == 0) {
    return std::nullopt;
  }
  const auto l = rwlock_at(s, 0);
  if (!l || l->flags != kPreferWriterNonrecursive) return std::nullopt;
  Reading r{verdict_at(s, 0, Mode::shared, "glibc rwlock, reader behind a writer behind readers")};
  name_readers(r.verdict, *l, l->reader_count());
  r.agreement = s.word_changed() ? 0 : 3;
  return r;
}

}  // namespace

std::optional<FutexVerdict> glibc_rwlock(const FutexScene& s) {
  if (s.wait.code == CodePlace::libc_lock || s.wait.code == CodePlace::libc_private_lock) return std::nullopt;
  // The fields of one lock, read from the wrong start, can pass for another: take the reading that agrees best.
  std::optional<Reading> best;
  for (const auto& reading :
       {reader_behind_writer(s), writer_behind_readers(s), writer_behind_writer(s), reader_behind_readers(s)}) {
    if (reading && (!best || reading->agreement > best->agreement)) best = reading;
  }
  if (!best) return std::nullopt;
  return best->verdict;
}

}  // namespace lockscope
