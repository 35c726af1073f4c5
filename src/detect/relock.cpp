// SPDX-License-Identifier: Apache-2.0
// relock: a thread asks for a lock that it holds itself and that cannot be taken twice. It waits for ever, or the call
// says EDEADLK. A mutex may also be a signal: its second lock waits for another thread to unlock it. So where the wait
// came to an end, or where the same lock was ever unlocked by another thread, nothing is said; where another thread of
// the process lives that still could, it is likely and no fact. One finding for a class of locks and a function. Linear
// in misuses and threads, but for a set.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "detect/misuse_findings.h"
#include "detect/wording.h"
#include "model/trace_description.h"

namespace lockscope {
namespace {

std::set<TracedLock> handed_over(const LockTrace& trace) {
  std::set<TracedLock> locks;
  for (const LockMisuse& m : trace.misuses) {
    if (m.kind == MisuseKind::unlock_not_owner) locks.insert(m.lock);
  }
  return locks;
}

bool anybody_else_lives(const LockTrace& trace, const TracedThread& self) {
  return std::ranges::any_of(
      trace.threads, [&](const TracedThread& t) { return t.pid == self.pid && t.tid != self.tid && !t.ended_ns; });
}

class RelockDetector final : public Detector {
 public:
  void on_trace(const TraceView& view, std::vector<Finding>& findings) override {
    const std::set<TracedLock> signals = handed_over(view.trace);
    report_misuses(
        view, MisuseKind::relock, kRelock,
        [&](const LockMisuse& m) { return m.error || (m.still_waiting && !signals.contains(m.lock)); },
        [&](const NamedMisuse& named, Finding& finding) { describe(view, named, finding); }, findings);
  }

 private:
  static void describe(const TraceView& view, const NamedMisuse& named, Finding& finding) {
    const LockMisuse& m = named.misuse;
    const std::string taken =
        m.earlier_site ? fmt::format(" in {}", name_place(view.names.code(m.lock.image, *m.earlier_site))) : "";
    const std::string asks = fmt::format("{} locks {} again, which its thread {} has locked{}", named.where, named.lock,
                                         name_traced(named.thread), taken);
    if (m.still_waiting) {
      finding.severity = Severity::critical;
      const bool sure = saw_all(view.trace, m.lock.image) && !anybody_else_lives(view.trace, named.thread);
      if (!sure) finding.confidence = Confidence::likely;
      finding.summary = asks + ": it waits for itself, for ever";
      if (view.trace.ended_ns > m.time_ns) finding.age_ns = view.trace.ended_ns - m.time_ns;
    } else {
      finding.summary = fmt::format("{}: the call fails with {}", asks, name_of_error(m.error.value_or(0)));
    }
    finding.hint = "unlock it before, split off what needs the lock held already, or make it recursive";
    if (m.earlier_ns && m.time_ns >= *m.earlier_ns) {
      finding.evidence.emplace_back("held_ns", static_cast<std::int64_t>(m.time_ns - *m.earlier_ns));
    }
  }
};

}  // namespace

constinit const CatalogEntry kRelock{
    .name = "relock",
    .cwe = 764,
    .level = Level::full,
    .description = "a thread locks again what it holds and cannot be taken twice",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<RelockDetector>(); }};

}  // namespace lockscope
