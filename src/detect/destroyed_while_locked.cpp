// SPDX-License-Identifier: Apache-2.0
// destroyed_while_locked: a lock is destroyed while somebody holds it, which POSIX leaves undefined. One finding for a
// class of locks and the function that did it. Linear in the misuses.
#include <fmt/format.h>

#include "detect/misuse_findings.h"

namespace lockscope {
namespace {

class DestroyedWhileLockedDetector final : public Detector {
 public:
  void on_trace(const TraceView& view, std::vector<Finding>& findings) override {
    report_misuses(
        view, MisuseKind::destroyed_while_locked, kDestroyedWhileLocked, [](const LockMisuse&) { return true; },
        [&](const NamedMisuse& named, Finding& finding) { describe(view, named, finding); }, findings);
  }

 private:
  static void describe(const TraceView& view, const NamedMisuse& named, Finding& finding) {
    const bool self = named.misuse.owner == named.thread.tid;
    const std::string owner = self ? "it" : name_owner(view.trace, named.misuse);
    finding.summary = fmt::format("{} destroys {} in thread {} while {} holds it", named.where, named.lock,
                                  name_traced(named.thread), owner.empty() ? "somebody" : owner);
    finding.hint = self ? "unlock it before it is destroyed"
                        : "destroy it only when no thread can hold or want it any more: join them first";
  }
};

}  // namespace

constinit const CatalogEntry kDestroyedWhileLocked{
    .name = "destroyed_while_locked",
    .cwe = 667,
    .level = Level::full,
    .description = "a lock is destroyed while it is held",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<DestroyedWhileLockedDetector>(); }};

}  // namespace lockscope
