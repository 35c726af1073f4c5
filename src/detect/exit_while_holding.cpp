// SPDX-License-Identifier: Apache-2.0
// exit_while_holding: a thread ends while it holds a lock, and its process goes on: nobody can take that lock again.
// Robust locks are made for this and never meant; nor are those that threads hand over to each other. One finding for a
// class of locks and the function that took it. Linear in the misuses, but for a set.
#include <fmt/format.h>

#include <set>

#include "detect/misuse_findings.h"

namespace lockscope {
namespace {

class ExitWhileHoldingDetector final : public Detector {
 public:
  void on_trace(const TraceView& view, std::vector<Finding>& findings) override {
    std::set<TracedLock> handed_over;  // others let go of them, so one may do so for a thread that has ended
    for (const LockMisuse& m : view.trace.misuses) {
      if (m.kind == MisuseKind::unlock_not_owner) handed_over.insert(m.lock);
    }
    report_misuses(
        view, MisuseKind::exit_while_holding, kExitWhileHolding,
        [&](const LockMisuse& m) {
          return !m.robust && m.lock_kind != LockKind::robust_mutex && !handed_over.contains(m.lock);
        },
        [&](const NamedMisuse& named, Finding& finding) { describe(view, named, finding); }, findings);
  }

 private:
  static void describe(const TraceView& view, const NamedMisuse& named, Finding& finding) {
    const LockMisuse& m = named.misuse;
    const std::string taken =
        m.earlier_site ? fmt::format(", locked in {}", name_place(view.names.code(m.lock.image, *m.earlier_site))) : "";
    const std::string mode = m.mode == Mode::shared ? " for reading" : "";
    finding.summary = fmt::format("thread {} ended while it held {}{}{}: nobody can unlock it any more",
                                  name_traced(named.thread), named.lock, mode, taken);
    finding.hint =
        "unlock it on every way out of the thread, also when it is cancelled (pthread_cleanup_push), or use "
        "a robust mutex";
    if (m.earlier_ns && m.time_ns >= *m.earlier_ns) {
      finding.evidence.emplace_back("held_ns", static_cast<std::int64_t>(m.time_ns - *m.earlier_ns));
    }
  }
};

}  // namespace

constinit const CatalogEntry kExitWhileHolding{
    .name = "exit_while_holding",
    .cwe = 667,
    .level = Level::full,
    .description = "a thread ends with a lock held while its process goes on",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<ExitWhileHoldingDetector>(); }};

}  // namespace lockscope
