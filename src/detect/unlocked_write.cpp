// SPDX-License-Identifier: Apache-2.0
// unlocked_write: a file that somebody has locked exclusively is written by a process that never asked for the lock.
// Locks are advice: the writer may know what it does, so this is likely, not confirmed. The lock must stand in the look
// too, with nobody of the writer's kin among those who share it. One finding a file and program.
#include <fmt/format.h>

#include <set>

#include "detect/catalog.h"
#include "detect/file_writers.h"
#include "detect/fingerprint.h"
#include "detect/wording.h"

namespace lockscope {
namespace {

class UnlockedWriteDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    std::set<std::string> reported;
    for (const WriterAgainst& writer : writers_against_locks(view)) {
      // One that asked and was refused knows of the lock: that is ignored_lock_failure.
      if (writer.held.empty() || (writer.use != nullptr && writer.use->failing_since_ns != 0)) continue;
      Finding finding = report(view, writer);
      if (reported.insert(finding.fingerprint).second) findings.push_back(std::move(finding));
    }
  }

 private:
  static Finding report(const SampleView& view, const WriterAgainst& writer) {
    const Actor& actor = writer.writes->actor;
    const LockKind kind = writer.lock.flock ? LockKind::flock : LockKind::posix;
    Finding finding;
    finding.kind = kUnlockedWrite.name;
    finding.cwe = kUnlockedWrite.cwe;
    finding.severity = Severity::warning;
    finding.confidence = Confidence::likely;
    finding.fingerprint = Fingerprint(kUnlockedWrite.name)
                              .add_lock(ContendedLock{writer.lock})
                              .add(std::uint64_t{actor.uid})
                              .add(actor.comm)
                              .hex();
    finding.lock = LockReference{.kind = kind, .lock = writer.lock};
    finding.holders = lockers(writer);
    finding.summary = fmt::format("{} ({}) wrote inode {} {} times without its {}, which {} holds exclusively",
                                  actor.comm.empty() ? "process" : actor.comm, actor.pid, writer.lock.file.ino,
                                  writer.against, words_for(kind), name_lockers(view, writer));
    finding.hint = "take the same lock around the write; check the file for damage";
    finding.evidence.emplace_back("writes", static_cast<std::int64_t>(writer.against));
    finding.evidence.emplace_back("writer_pid", std::int64_t{actor.pid});
    finding.evidence.emplace_back("writer_uid", std::int64_t{actor.uid});
    return finding;
  }
};

}  // namespace

constinit const CatalogEntry kUnlockedWrite{
    .name = "unlocked_write",
    .cwe = 413,
    .level = Level::contention,
    .description = "a file that somebody has locked exclusively is written without that lock",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<UnlockedWriteDetector>(); }};

}  // namespace lockscope
