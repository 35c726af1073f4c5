// SPDX-License-Identifier: Apache-2.0
// unlock_not_locked, double_unlock, unlock_not_owner: a lock is let go of by somebody who does not hold it. One finding
// each for a class of locks and the function that did it. Where the lock call before had failed, that is the fault, and
// ignored_lock_failure says so. Linear in the misuses, but for a set.
#include <fmt/format.h>

#include <set>
#include <tuple>

#include "detect/misuse_findings.h"

namespace lockscope {
namespace {

using Call = std::tuple<std::size_t, TracedLock, std::uint64_t>;  // thread, lock, site

std::set<Call> unlocks_after_failures(const LockTrace& trace) {
  std::set<Call> calls;
  for (const LockMisuse& m : trace.misuses) {
    if (m.kind == MisuseKind::ignored_lock_failure) calls.emplace(m.thread, m.lock, m.site);
  }
  return calls;
}

class UnlockDetector : public Detector {
 public:
  UnlockDetector(MisuseKind kind, const CatalogEntry& entry) : kind_(kind), entry_(entry) {}

  void on_trace(const TraceView& view, std::vector<Finding>& findings) override {
    const std::set<Call> explained = unlocks_after_failures(view.trace);
    report_misuses(
        view, kind_, entry_,
        [&](const LockMisuse& m) {
          return !explained.contains({m.thread, m.lock, m.site});
        },
        [&](const NamedMisuse& named, Finding& finding) { describe(view, named, finding); }, findings);
  }

 private:
  virtual void describe(const TraceView& view, const NamedMisuse& named, Finding& finding) const = 0;

  MisuseKind kind_;
  const CatalogEntry& entry_;
};

class UnlockNotLockedDetector final : public UnlockDetector {
 public:
  UnlockNotLockedDetector() : UnlockDetector(MisuseKind::unlock_not_locked, kUnlockNotLocked) {}

 private:
  void describe(const TraceView& /*view*/, const NamedMisuse& named, Finding& finding) const override {
    finding.summary = fmt::format("{} unlocks {}, which nobody has locked, in thread {}", named.where, named.lock,
                                  name_traced(named.thread));
    finding.hint = fmt::format("lock it on every way to this unlock in {}, or do not unlock it there", named.where);
  }
};

class DoubleUnlockDetector final : public UnlockDetector {
 public:
  DoubleUnlockDetector() : UnlockDetector(MisuseKind::double_unlock, kDoubleUnlock) {}

 private:
  void describe(const TraceView& view, const NamedMisuse& named, Finding& finding) const override {
    const LockMisuse& m = named.misuse;
    const std::string before =
        m.earlier_site ? fmt::format(" in {}", name_place(view.names.code(m.lock.image, *m.earlier_site))) : "";
    finding.summary =
        fmt::format("{} unlocks {} once more: thread {} had unlocked it{} before, and nobody locked it since",
                    named.where, named.lock, name_traced(named.thread), before);
    finding.hint = "unlock it once on every way; had another thread locked it meanwhile, this would take it from there";
    if (m.earlier_ns && m.time_ns >= *m.earlier_ns) {
      finding.evidence.emplace_back("unlocked_before_ns", static_cast<std::int64_t>(m.time_ns - *m.earlier_ns));
    }
  }
};

class UnlockNotOwnerDetector final : public UnlockDetector {
 public:
  UnlockNotOwnerDetector() : UnlockDetector(MisuseKind::unlock_not_owner, kUnlockNotOwner) {}

 private:
  void describe(const TraceView& view, const NamedMisuse& named, Finding& finding) const override {
    const std::string owner = name_owner(view.trace, named.misuse);
    finding.summary = fmt::format("{} unlocks {} in thread {}, but {} has locked it", named.where, named.lock,
                                  name_traced(named.thread), owner.empty() ? "another thread" : owner);
    finding.hint = "let the thread that locked it unlock it; to signal another thread use a semaphore or a condition";
  }
};

}  // namespace

constinit const CatalogEntry kUnlockNotLocked{
    .name = "unlock_not_locked",
    .cwe = 832,
    .level = Level::full,
    .description = "a lock is unlocked that nobody holds",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<UnlockNotLockedDetector>(); }};

constinit const CatalogEntry kDoubleUnlock{
    .name = "double_unlock",
    .cwe = 765,
    .level = Level::full,
    .description = "a thread unlocks a lock twice",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<DoubleUnlockDetector>(); }};

constinit const CatalogEntry kUnlockNotOwner{
    .name = "unlock_not_owner",
    .cwe = 832,
    .level = Level::full,
    .description = "a lock is unlocked by a thread that does not hold it, while another does",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<UnlockNotOwnerDetector>(); }};

}  // namespace lockscope
