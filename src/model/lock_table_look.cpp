// SPDX-License-Identifier: Apache-2.0
// What a look adds to the lock table: who still waits, and who held what they wait for.
#include <algorithm>

#include "lockscope/lock_table.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kMinute = 60'000'000'000;
constexpr std::int64_t kFutexWaitv = 449;
constexpr std::size_t kWaitsRead = 16;  // of one lock in one look: their holders are mostly the same

const Thread* leader_of(const RawSample& raw, pid_t pid) {
  const auto found = std::ranges::lower_bound(raw.threads, pid, {}, &Thread::pid);
  return found == raw.threads.end() || found->pid != pid ? nullptr : &*found;
}

}  // namespace

std::optional<ContendedLock> contended_lock(const Sample& look, const Wait& wait) {
  if (const auto* file = std::get_if<FileRange>(&wait.lock.place)) return LockOfFile{file->file, file->whole};
  if (const auto* set = std::get_if<SysvSet>(&wait.lock.place)) return set->id;
  if (std::holds_alternative<ThreadEnd>(wait.lock.place)) return std::nullopt;
  const auto raw = std::ranges::lower_bound(look.raw.waits, wait.thread, {}, &RawWait::thread);
  if (raw != look.raw.waits.end() && raw->thread == wait.thread) {
    if (raw->shared) return *raw->shared;
    if (raw->syscall == kFutexWaitv) return std::nullopt;
    return WordOfProcess{look.raw.threads[wait.thread].pid, raw->args[0]};
  }
  // Without its registers: the word is the first of all these, but not of a rwlock or a condition.
  if (wait.kind == LockKind::rwlock || !(can_be_held(wait.kind) || wait.kind == LockKind::sem)) return std::nullopt;
  if (const auto* place = std::get_if<SharedPlace>(&wait.lock.place)) return *place;
  if (!wait.address) return std::nullopt;
  return WordOfProcess{look.raw.threads[wait.thread].pid, *wait.address};
}

bool can_be_held(LockKind kind) {
  switch (kind) {
    case LockKind::mutex:
    case LockKind::recursive_mutex:
    case LockKind::errorcheck_mutex:
    case LockKind::adaptive_mutex:
    case LockKind::robust_mutex:
    case LockKind::pi_mutex:
    case LockKind::priority_protect_mutex:
    case LockKind::rwlock:
    case LockKind::spin:
    case LockKind::stdio:
    case LockKind::loader:
    case LockKind::libc_internal:
    case LockKind::flock:
    case LockKind::posix:
    case LockKind::ofd: return true;
    case LockKind::cond:
    case LockKind::sem:
    case LockKind::barrier:
    case LockKind::once:
    case LockKind::join:
    case LockKind::sysv_sem:
    case LockKind::child:
    case LockKind::futex: return false;
  }
  return false;
}

void LockTable::absorb_look(const Sample& look) {
  StandingByThread before;
  before.swap(standing_);
  std::unordered_map<const Lock*, std::size_t> seen;
  for (const Wait& wait : look.waits) {
    const bool semaphore = wait.kind == LockKind::sem && wait.process_shared;
    if (!can_be_held(wait.kind) && !semaphore) continue;
    const auto lock = contended_lock(look, wait);
    if (!lock) continue;
    const Thread& thread = look.raw.threads[wait.thread];
    Lock& record = touch(*lock, thread.uid.value_or(~std::uint32_t{0}));
    record.waited_ns = now_ns_;
    record.kind = wait.kind;
    const std::size_t nth = seen[&record]++;
    if (nth == 0) see_owner(record, wait);
    if (nth < kWaitsRead) see_holders(record, look, wait);
    const Standing& standing = stand(*lock, record, thread, wait, before);
    const bool others_reach_it = !std::holds_alternative<WordOfProcess>(*lock);
    if (others_reach_it && thread.uid) expose(*lock, *thread.uid, standing.since_ns, now_ns_);
  }
}

// Holders of files that are locked again and again, before somebody has to wait: who then fails wants to know.
void LockTable::absorb_file_holders(const RawSample& raw) {
  for (const FileLock& held : raw.file_locks) {
    const auto known = locks_.find(LockOfFile{held.file, held.kind == FileLockKind::flock});
    if (known == locks_.end()) continue;
    const std::size_t read = std::min(held.sharers.size(), kHolders);
    for (std::size_t i = 0; i < read; ++i) see_holder(known->second, raw, held.sharers[i].pid);
  }
}

// The wait goes on if the thread slept all the time, or if it is known that its process was not granted the lock.
const LockTable::Standing& LockTable::stand(const ContendedLock& lock, const Lock& record, const Thread& thread,
                                            const Wait& wait, const StandingByThread& before) {
  const Use* use = find_use(lock, thread.pid);
  const bool grants_known = std::holds_alternative<LockOfFile>(lock) || (use != nullptr && use->semaphore);
  const std::uint64_t own_granted = use == nullptr ? 0 : use->granted;
  const std::uint64_t since = now_ns_ - std::min(now_ns_, wait.blocked_ns.value_or(0));

  Standing standing{.lock = lock,
                    .fingerprint = wait.fingerprint,
                    .since_ns = since,
                    .looks = 1,
                    .own_granted_before = own_granted,
                    .handovers_before = record.handovers,
                    .own_handovers_before = use == nullptr ? 0 : use->handovers,
                    .holder_changes_before = record.holder_changes};
  const auto old = before.find(thread.id);
  if (old != before.end() && old->second.lock == lock) {
    const bool unmoved = old->second.fingerprint == wait.fingerprint;
    if (unmoved || (grants_known && own_granted == old->second.own_granted_before)) {
      standing = old->second;
      standing.since_ns = std::min(standing.since_ns, since);
      standing.fingerprint = wait.fingerprint;
      ++standing.looks;
    }
  }
  return standing_.insert_or_assign(thread.id, std::move(standing)).first->second;
}

void LockTable::see_owner(Lock& record, const Wait& wait) {
  std::optional<ThreadId> owner;
  if (wait.obstacles.size() == 1 && wait.obstacles.front().any_of.size() == 1) {
    const Obstacle& only = wait.obstacles.front();
    if (only.known && !only.candidates && only.evidence != Evidence::unknown) owner = only.any_of.front().thread;
  }
  if (!owner) return;
  if (record.last_owner && *record.last_owner != *owner) ++record.holder_changes;
  record.last_owner = owner;
}

void LockTable::see_holders(Lock& record, const Sample& look, const Wait& wait) {
  for (const Obstacle& obstacle : wait.obstacles) {
    if (obstacle.candidates || obstacle.evidence == Evidence::unknown) continue;
    for (const Releaser& releaser : obstacle.any_of) see_holder(record, look.raw, releaser.pid);
  }
}

void LockTable::see_holder(Lock& record, const RawSample& raw, pid_t pid) {
  const Thread* leader = leader_of(raw, pid);
  if (leader == nullptr) return;
  HolderSeen seen{.leader = {pid, leader->id.start_ns}, .uid = leader->uid, .first_ns = now_ns_, .last_ns = now_ns_};
  const auto known = std::ranges::find(record.holders, seen.leader, &HolderSeen::leader);
  if (known != record.holders.end()) {
    if (known->last_ns == now_ns_) return;
    seen.first_ns = known->first_ns;
    record.holders.erase(known);
  } else if (record.holders.size() == kHolders) {
    record.holders.erase(record.holders.begin());
  }
  record.holders.push_back(seen);
}

void LockTable::expose(const ContendedLock& lock, std::uint32_t uid, std::uint64_t begin_ns, std::uint64_t end_ns) {
  Exposure& exposure = exposures_[{lock, uid}];
  constexpr std::uint64_t kSpan = (kExposureMinutes - 1) * kMinute;
  std::uint64_t from = std::max(begin_ns, exposure.covered_until_ns);
  if (end_ns > kSpan) from = std::max(from, end_ns - kSpan);
  if (from >= end_ns) return;
  const std::uint64_t last = end_ns / kMinute;
  if (last - std::min(last, exposure.newest_minute) >= kExposureMinutes) exposure.ms.fill(0);
  for (std::uint64_t m = exposure.newest_minute + 1; m <= last && m < exposure.newest_minute + kExposureMinutes; ++m) {
    exposure.ms[m % kExposureMinutes] = 0;
  }
  exposure.newest_minute = std::max(exposure.newest_minute, last);
  for (std::uint64_t m = from / kMinute; m <= last; ++m) {
    const std::uint64_t begin = std::max(from, m * kMinute);
    const std::uint64_t end = std::min(end_ns, (m + 1) * kMinute);
    exposure.ms[m % kExposureMinutes] += static_cast<std::uint32_t>((end - begin) / 1'000'000);
  }
  exposure.covered_until_ns = end_ns;
}

std::uint64_t LockTable::exposure_ns(const ContendedLock& lock, std::uint32_t uid) const {
  const auto found = exposures_.find({lock, uid});
  if (found == exposures_.end()) return 0;
  const std::uint64_t now = now_ns_ / kMinute;
  const Exposure& exposure = found->second;
  std::uint64_t ms = 0;
  // The minutes that the record has, as far as they lie within the past hour.
  for (std::uint64_t back = 0; back < kExposureMinutes && back <= exposure.newest_minute; ++back) {
    const std::uint64_t minute = exposure.newest_minute - back;
    if (now - std::min(now, minute) < kExposureMinutes) ms += exposure.ms[minute % kExposureMinutes];
  }
  return ms * 1'000'000;
}

}  // namespace lockscope
