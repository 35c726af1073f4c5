// SPDX-License-Identifier: Apache-2.0
// ignored_lock_failure: a process tried to lock a file, was refused, was never granted a lock on it, and then wrote the
// file while somebody else had it locked exclusively. The kernel saw each of these. One finding a file and program.
#include <fmt/format.h>

#include <set>

#include "detect/catalog.h"
#include "detect/file_writers.h"
#include "detect/fingerprint.h"
#include "detect/wording.h"

namespace lockscope {
namespace {

class IgnoredLockFailureDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    std::set<std::string> reported;
    for (const WriterAgainst& writer : writers_against_locks(view)) {
      // All writes of the window must have come after the failure: which of them met the lock is not told.
      const bool ignored = writer.use != nullptr && writer.use->failing_since_ns != 0 &&
                           writer.writes->first_ns > writer.use->failing_since_ns;
      if (!ignored) continue;
      Finding finding = report(view, writer);
      if (reported.insert(finding.fingerprint).second) findings.push_back(std::move(finding));
    }
  }

 private:
  static Finding report(const SampleView& view, const WriterAgainst& writer) {
    const Actor& actor = writer.writes->actor;
    const LockKind kind = writer.lock.flock ? LockKind::flock : LockKind::posix;
    Finding finding;
    finding.kind = kIgnoredLockFailure.name;
    finding.cwe = kIgnoredLockFailure.cwe;
    finding.severity = Severity::warning;
    finding.fingerprint = Fingerprint(kIgnoredLockFailure.name)
                              .add_lock(ContendedLock{writer.lock})
                              .add(std::uint64_t{actor.uid})
                              .add(actor.comm)
                              .hex();
    finding.lock = LockReference{.kind = kind, .lock = writer.lock};
    finding.holders = lockers(writer);
    finding.failing.push_back({.actor = actor,
                               .tries = writer.use->failed,
                               .first_ns = writer.use->failing_since_ns,
                               .last_ns = writer.use->last_failed_ns});
    finding.summary = fmt::format(
        "{} ({}) failed to get the {} on inode {} and wrote the file all the same, {} times "
        "while {} had it locked",
        actor.comm.empty() ? "process" : actor.comm, actor.pid, words_for(kind), writer.lock.file.ino, writer.against,
        name_lockers(view, writer));
    finding.hint = "check what the lock call returns, and write only where it succeeded; check the file for damage";
    finding.evidence.emplace_back("writes", static_cast<std::int64_t>(writer.against));
    finding.evidence.emplace_back("tries", static_cast<std::int64_t>(writer.use->failed));
    finding.evidence.emplace_back("writer_uid", std::int64_t{actor.uid});
    return finding;
  }
};

}  // namespace

constinit const CatalogEntry kIgnoredLockFailure{
    .name = "ignored_lock_failure",
    .cwe = 414,
    .level = Level::contention,
    .description = "a file is written by a process that failed to lock it, while somebody else holds the lock",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<IgnoredLockFailureDetector>(); }};

}  // namespace lockscope
