// SPDX-License-Identifier: Apache-2.0
#include "detect/misuse_findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "model/trace_description.h"

namespace lockscope {
namespace {

struct Group {
  std::size_t first = 0;  // index of the misuse that speaks for it
  std::uint64_t count = 0;
  bool sure = true;
};

// Nobody owns what these say on the word of what was seen: true only if all was.
bool rests_on_what_was_not_seen(const LockMisuse& misuse) {
  switch (misuse.kind) {
    case MisuseKind::unlock_not_locked:
    case MisuseKind::double_unlock:
    case MisuseKind::unlock_not_owner:
    case MisuseKind::destroyed_while_locked:
    case MisuseKind::exit_while_holding: return !names_its_owner(misuse.lock_kind);
    case MisuseKind::relock:
    case MisuseKind::ignored_lock_failure: return false;
  }
  return true;
}

}  // namespace

bool names_its_owner(LockKind kind) {
  switch (kind) {
    case LockKind::mutex:
    case LockKind::recursive_mutex:
    case LockKind::errorcheck_mutex:
    case LockKind::adaptive_mutex:
    case LockKind::robust_mutex:
    case LockKind::pi_mutex:
    case LockKind::priority_protect_mutex: return true;
    case LockKind::rwlock:
    case LockKind::spin:
    case LockKind::cond:
    case LockKind::sem:
    case LockKind::barrier:
    case LockKind::once:
    case LockKind::join:
    case LockKind::stdio:
    case LockKind::loader:
    case LockKind::libc_internal:
    case LockKind::flock:
    case LockKind::posix:
    case LockKind::ofd:
    case LockKind::sysv_sem:
    case LockKind::child:
    case LockKind::futex: return false;
  }
  return false;
}

std::string name_owner(const LockTrace& trace, const LockMisuse& misuse) {
  if (!misuse.owner) return misuse.owner_comm;
  // The number may have been used again: of several the latest to start before.
  const TracedThread* best = nullptr;
  for (const TracedThread& thread : trace.threads) {
    if (thread.tid != *misuse.owner || thread.start_ns > misuse.time_ns) continue;
    if (best == nullptr || thread.start_ns > best->start_ns) best = &thread;
  }
  if (best != nullptr) return name_traced(*best);
  return misuse.owner_comm.empty() ? fmt::format("thread {}", *misuse.owner)
                                   : fmt::format("{} ({})", misuse.owner_comm, *misuse.owner);
}

void report_misuses(const TraceView& view, MisuseKind kind, const CatalogEntry& entry, const MisuseFilter& counts,
                    const MisuseWords& words, std::vector<Finding>& findings) {
  const LockTrace& trace = view.trace;
  using Key = std::pair<std::string, std::string>;  // class, place
  std::map<Key, std::size_t> numbers;
  std::vector<std::pair<Key, Group>> groups;  // in the order of their first misuse
  for (std::size_t m = 0; m < trace.misuses.size(); ++m) {
    const LockMisuse& misuse = trace.misuses[m];
    if (misuse.kind != kind || misuse.thread >= trace.threads.size() || !counts(misuse)) continue;
    // A thread that ends is at no place: where it had taken the lock tells its kind.
    const std::uint64_t site = misuse.site != 0 ? misuse.site : misuse.earlier_site.value_or(0);
    const std::string place = site == 0 ? "" : key_of(view.names.code(misuse.lock.image, site));
    const auto [number, added] =
        numbers.try_emplace(Key{view.names.lock_class(misuse.lock).name, place}, groups.size());
    if (added) groups.push_back({number->first, {.first = m}});
    Group& group = groups[number->second].second;
    group.count += misuse.count;
    if (misuse.still_waiting && !trace.misuses[group.first].still_waiting) group.first = m;  // the worse
    group.sure =
        group.sure && trace.lost.empty() && (!rests_on_what_was_not_seen(misuse) || saw_all(trace, misuse.lock.image));
  }
  for (const auto& [key, group] : groups) {
    const LockMisuse& misuse = trace.misuses[group.first];
    NamedMisuse named{.misuse = misuse,
                      .thread = trace.threads[misuse.thread],
                      .where = misuse.site == 0 ? "" : name_place(view.names.code(misuse.lock.image, misuse.site)),
                      .lock = name_class(view.names.lock_class(misuse.lock)),
                      .count = group.count};
    Finding finding;
    finding.kind = entry.name;
    finding.cwe = entry.cwe;
    finding.severity = Severity::warning;
    finding.confidence = group.sure ? Confidence::confirmed : Confidence::likely;
    finding.fingerprint = Fingerprint(entry.name).add(key.first).add(key.second).hex();
    finding.misuse = group.first;
    finding.evidence.emplace_back("count", static_cast<std::int64_t>(group.count));
    finding.evidence.emplace_back("class", view.names.lock_class(misuse.lock).name);
    if (misuse.error) finding.evidence.emplace_back("error", name_of_error(*misuse.error));
    if (!trace.lost.empty()) finding.evidence.emplace_back("lost_events", true);
    words(named, finding);
    findings.push_back(std::move(finding));
  }
}

}  // namespace lockscope
