// SPDX-License-Identifier: Apache-2.0
#include "lockscope/lock_table.h"

#include <algorithm>

#include "model/fair_share.h"

namespace lockscope {
namespace {

// A lock that somebody waited for this lately goes last when the table is full.
constexpr std::uint64_t kRecently = 10'000'000'000;

std::uint64_t earlier_of(std::uint64_t a, std::uint64_t b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

LockKind kind_of(FileLockKind kind) {
  switch (kind) {
    case FileLockKind::flock: return LockKind::flock;
    case FileLockKind::posix: return LockKind::posix;
    case FileLockKind::ofd: return LockKind::ofd;
  }
  return LockKind::flock;
}

void add_waits(WaitCounts& to, const WaitCounts& from) {
  to.acquired += from.acquired;
  to.abandoned += from.abandoned;
  to.total_ns += from.total_ns;
  if (from.longest_ns > to.longest_ns) {
    to.longest_ns = from.longest_ns;
    to.longest_tid = from.longest_tid;
  }
  to.first_abandoned_ns = earlier_of(to.first_abandoned_ns, from.first_abandoned_ns);
  to.last_abandoned_ns = std::max(to.last_abandoned_ns, from.last_abandoned_ns);
  to.histogram += from.histogram;
}

}  // namespace

LockTable::LockTable(const Limits& limits) : limits_(limits) {}

void LockTable::learn_kind(const ContendedLock& lock, LockKind kind) {
  Lock& record = locks_[lock];
  record.kind = kind;
  if (record.first_ns == 0) record.first_ns = record.last_ns = now_ns_;
}

void LockTable::absorb(const ContentionWindow& window, const Sample& look) {
  ++tick_;
  if (tick_ == 1) began_ns_ = window.begin_ns;
  window_begin_ns_ = window.begin_ns;
  window_end_ns_ = window.end_ns;
  now_ns_ = std::max(look.raw.taken_ns, window.end_ns);

  Outcomes outcomes;
  for (const WordWaits& word : window.words) absorb_word(word, outcomes);
  for (const FileLockUse& file : window.file_locks) absorb_file(file, outcomes);
  for (const SharedLockUse& shared : window.shared_locks) absorb_shared(shared, outcomes);
  for (const auto& [key, outcome] : outcomes) note_tries(key, outcome);
  absorb_look(look);
  for (const SharedLockUse& shared : window.shared_locks) {
    if (shared.semaphore || shared.owner <= 0) continue;
    see_holder(touch(shared.place, shared.actor.uid), look.raw, shared.owner);
  }
  absorb_file_holders(look.raw);
  writes_ = window.writes;
  trim();
}

LockTable::Lock& LockTable::touch(const ContendedLock& lock, std::uint32_t uid) {
  Lock& record = locks_[lock];
  if (record.first_ns == 0) record.first_ns = now_ns_;
  record.last_ns = now_ns_;
  record.account = std::min(record.account, uid);
  return record;
}

LockTable::Use& LockTable::touch_use(const ContendedLock& lock, Lock& record, const Actor& actor) {
  const auto [place, is_new] = uses_.try_emplace({lock, {actor.pid, actor.start_ns}});
  if (is_new) ++record.operations.processes;
  place->second.actor = actor;
  place->second.last_ns = now_ns_;
  return place->second;
}

void LockTable::count_waits(Lock& record, const Actor& actor, const WaitCounts& waits) {
  if (waits.count() == 0) return;
  if (waits.longest_ns > record.waits.longest_ns) record.longest = actor;
  add_waits(record.waits, waits);
  record.waited_ns = now_ns_;
  totals_.waits += waits.count();
  totals_.wait_ns += waits.total_ns;
  if (record.ticks.empty() || record.ticks.back().number != tick_) {
    if (record.ticks.size() == kTicks) record.ticks.erase(record.ticks.begin());
    record.ticks.push_back({.number = tick_, .begin_ns = window_begin_ns_, .end_ns = window_end_ns_});
  }
  record.ticks.back().ended += waits.count();
  record.ticks.back().wait_ns += waits.total_ns;
}

LockTable::Outcome& LockTable::outcome_of(Outcomes& outcomes, const ContendedLock& lock, const Actor& actor) {
  Outcome& outcome = outcomes[{lock, {actor.uid, actor.cgroup, actor.comm}}];
  outcome.actor = actor;
  return outcome;
}

void LockTable::Outcome::add_grants(std::uint64_t count, std::uint64_t last) {
  if (count == 0) return;
  granted += count;
  last_granted_ns = std::max(last_granted_ns, last);
}

void LockTable::Outcome::add_tries(std::uint64_t count, std::uint64_t first, std::uint64_t last) {
  if (count == 0) return;
  tries += count;
  first_ns = earlier_of(first_ns, first);
  last_ns = std::max(last_ns, last);
}

void LockTable::absorb_word(const WordWaits& word, Outcomes& outcomes) {
  if (const auto* own = std::get_if<WordOfProcess>(&word.lock)) {
    const auto known = locks_.find(word.lock);
    // The number has gone to another process: another lock.
    const bool reused = known != locks_.end() && known->second.process && known->second.process->pid == own->pid &&
                        known->second.process->start_ns != word.actor.start_ns;
    if (reused) locks_.erase(known);
  }
  Lock& record = touch(word.lock, word.actor.uid);
  if (std::holds_alternative<WordOfProcess>(word.lock)) record.process = word.actor;
  count_waits(record, word.actor, word.waits);
  if (!std::holds_alternative<SharedPlace>(word.lock)) return;
  Outcome& outcome = outcome_of(outcomes, word.lock, word.actor);
  // When the last was granted is not told: then no try of this window is known to have come after it.
  outcome.add_grants(word.waits.acquired, window_end_ns_);
  outcome.add_tries(word.waits.abandoned, word.waits.first_abandoned_ns, word.waits.last_abandoned_ns);
  outcome.timed_out = outcome.timed_out || word.waits.abandoned > 0;
}

void LockTable::absorb_file(const FileLockUse& file, Outcomes& outcomes) {
  const ContendedLock lock = LockOfFile{file.file, file.kind == FileLockKind::flock};
  Lock& record = touch(lock, file.actor.uid);
  record.kind = kind_of(file.kind);
  count_waits(record, file.actor, file.waits);
  const std::uint64_t granted = file.granted_exclusive + file.granted_shared;
  const std::uint64_t failed = file.failed + file.deadlocks + file.errors;
  Operations& operations = record.operations;
  operations.granted += granted;
  operations.failed += failed;
  operations.released += file.released;
  totals_.file_lock_operations += granted + failed + file.released;

  Use& use = touch_use(lock, record, file.actor);
  use.readonly = use.readonly || file.readonly;
  note_use(record, use,
           {.granted = granted,
            .failed = file.failed,
            .released = file.released,
            .closed = file.closed,
            .last_granted_ns = file.last_granted_ns,
            .last_released_ns = file.last_released_ns,
            .first_failed_ns = file.first_failed_ns,
            .last_failed_ns = file.last_failed_ns});
  Outcome& outcome = outcome_of(outcomes, lock, file.actor);
  outcome.add_grants(granted, file.last_granted_ns);
  outcome.add_tries(file.failed, file.first_failed_ns, file.last_failed_ns);
  outcome.add_tries(file.waits.abandoned, file.waits.first_abandoned_ns, file.waits.last_abandoned_ns);
  outcome.timed_out = outcome.timed_out || file.waits.abandoned > 0;
}

void LockTable::absorb_shared(const SharedLockUse& shared, Outcomes& outcomes) {
  const ContendedLock lock = shared.place;
  Lock& record = touch(lock, shared.actor.uid);
  // Which kind of mutex a look may tell better.
  if (shared.semaphore || !record.kind) record.kind = shared.semaphore ? LockKind::sem : LockKind::mutex;
  record.operations.granted += shared.acquired;
  record.operations.failed += shared.failed;
  record.operations.released += shared.released;
  Use& use = touch_use(lock, record, shared.actor);
  use.semaphore = shared.semaphore;
  note_use(record, use,
           {.granted = shared.acquired,
            .failed = shared.failed,
            .released = shared.released,
            .closed = 0,
            .last_granted_ns = shared.last_acquired_ns,
            .last_released_ns = shared.last_released_ns,
            .first_failed_ns = shared.first_failed_ns,
            .last_failed_ns = shared.last_failed_ns});
  // One post more than taken may be of what was taken before the probes were set.
  if (use.released > use.granted + 1) record.posted_more = true;
  Outcome& outcome = outcome_of(outcomes, lock, shared.actor);
  outcome.add_grants(shared.acquired, shared.last_acquired_ns);
  outcome.add_tries(shared.failed, shared.first_failed_ns, shared.last_failed_ns);
}

void LockTable::note_use(Lock& record, Use& use, const Counted& counted) {
  use.granted += counted.granted;
  use.failed += counted.failed;
  use.released += counted.released;
  use.closed += counted.closed;
  const std::uint64_t handovers = std::min(use.granted, use.released + use.closed);
  record.handovers += handovers - use.handovers;
  use.handovers = handovers;
  use.last_granted_ns = std::max(use.last_granted_ns, counted.last_granted_ns);
  use.last_released_ns = std::max(use.last_released_ns, counted.last_released_ns);
  use.last_failed_ns = std::max(use.last_failed_ns, counted.last_failed_ns);
  if (counted.granted > 0) use.failing_since_ns = 0;
  if (counted.failed == 0 || use.failing_since_ns != 0) return;
  if (counted.granted == 0 || counted.first_failed_ns > counted.last_granted_ns) {
    use.failing_since_ns = counted.first_failed_ns;
  } else if (counted.last_failed_ns > counted.last_granted_ns) {
    use.failing_since_ns = counted.last_failed_ns;
  }
}

// A series ends with a grant. Of tries on both sides of it only the last is known to have come later.
void LockTable::note_tries(const VictimKey& key, const Outcome& outcome) {
  Outcome after = outcome;
  if (outcome.granted > 0) {
    series_.erase(key);
    if (outcome.last_ns <= outcome.last_granted_ns) return;
    if (outcome.first_ns <= outcome.last_granted_ns) {
      after.tries = 1;
      after.first_ns = outcome.last_ns;
    }
  }
  if (after.tries == 0) return;
  Series& series = series_[key];
  // Minutes in which nobody tried are nobody's loss.
  const bool goes_on = series.tries > 0 && after.first_ns <= series.last_ns + kRecently;
  expose(key.first, key.second.uid, goes_on ? series.last_ns : after.first_ns, after.last_ns);
  if (series.tries == 0) series.first_ns = after.first_ns;
  series.actor = after.actor;
  series.tries += after.tries;
  series.last_ns = std::max(series.last_ns, after.last_ns);
  series.last_tick = tick_;
  series.timed_out = series.timed_out || after.timed_out;
  if (const auto lock = locks_.find(key.first); lock != locks_.end()) lock->second.waited_ns = now_ns_;
}

void LockTable::trim() {
  evictions_.locks += cut_down(
      locks_, limits_.locks, [](const auto& entry) { return entry.second.account; },
      [&](const auto& entry) {
        const Lock& lock = entry.second;
        const bool waited = lock.waited_ns != 0 && now_ns_ - std::min(lock.waited_ns, now_ns_) <= kRecently;
        return std::pair{waited, lock.last_ns};
      });
  evictions_.uses += cut_down(
      uses_, limits_.uses, [](const auto& entry) { return entry.second.actor.uid; },
      [](const auto& entry) { return entry.second.last_ns; });
  evictions_.victims += cut_down(
      series_, limits_.victims, [](const auto& entry) { return entry.first.second.uid; },
      [](const auto& entry) { return entry.second.last_ns; });
  evictions_.victims += cut_down(
      exposures_, limits_.victims, [](const auto& entry) { return entry.first.second; },
      [](const auto& entry) { return entry.second.covered_until_ns; });
}

}  // namespace lockscope
