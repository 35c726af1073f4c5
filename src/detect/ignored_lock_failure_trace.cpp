// SPDX-License-Identifier: Apache-2.0
// ignored_lock_failure, of calls: a lock call returned an error and the thread went on as if it had not: it unlocks
// what it did not get, or goes on with a robust mutex that it did not make consistent. One finding for a class of locks
// and a function. Linear in the misuses.
#include <fmt/format.h>

#include <cerrno>

#include "detect/misuse_findings.h"
#include "model/trace_description.h"

namespace lockscope {
namespace {

class IgnoredLockFailureTraceDetector final : public Detector {
 public:
  void on_trace(const TraceView& view, std::vector<Finding>& findings) override {
    report_misuses(
        view, MisuseKind::ignored_lock_failure, kIgnoredLockFailureTrace, [](const LockMisuse&) { return true; },
        [&](const NamedMisuse& named, Finding& finding) { describe(view, named, finding); }, findings);
  }

 private:
  static void describe(const TraceView& view, const NamedMisuse& named, Finding& finding) {
    const LockMisuse& m = named.misuse;
    const std::string error = m.error ? fmt::format(" with {}", name_of_error(*m.error)) : "";
    const std::string failed =
        m.earlier_site ? fmt::format(" in {}", name_place(view.names.code(m.lock.image, *m.earlier_site))) : "";
    finding.summary = fmt::format("{} goes on as if it held {}: the call to lock it failed{}{}, in thread {}",
                                  named.where, named.lock, error, failed, name_traced(named.thread));
    finding.hint =
        m.error == EOWNERDEAD
            ? "after EOWNERDEAD repair what the lock guards and call pthread_mutex_consistent() before unlocking"
            : "check what the lock call returns, and touch what it guards only where it succeeded";
  }
};

}  // namespace

constinit const CatalogEntry kIgnoredLockFailureTrace{
    .name = "ignored_lock_failure",
    .cwe = 414,
    .level = Level::full,
    .description = "a lock call failed and the thread went on as if it had not",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<IgnoredLockFailureTraceDetector>(); }};

}  // namespace lockscope
