// SPDX-License-Identifier: Apache-2.0
#include "detect/file_writers.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "detect/wording.h"

namespace lockscope {
namespace {

constexpr int kAncestorsAtMost = 64;

pid_t parent_of(const RawSample& raw, pid_t pid) {
  const auto found = std::ranges::lower_bound(raw.threads, pid, {}, &Thread::pid);
  return found == raw.threads.end() || found->pid != pid ? 0 : found->parent_pid;
}

// A parent locks for its children, or a child for its parent: init is nobody's parent in this sense.
bool descends_from(const RawSample& raw, pid_t pid, pid_t ancestor) {
  for (int i = 0; i < kAncestorsAtMost && pid > 1; ++i) {
    if (pid == ancestor) return true;
    pid = parent_of(raw, pid);
  }
  return false;
}

bool is_family(const RawSample& raw, pid_t a, pid_t b) {
  return a > 1 && b > 1 && (descends_from(raw, a, b) || descends_from(raw, b, a));
}

// Locks on terminals, pipes and the like guard the talk, not the bytes.
bool may_be_kept_whole(const SampleView& view, const FileId& file) {
  const auto place = view.facts.places.find(file);
  if (place == view.facts.places.end()) return true;
  const std::uint32_t mode = place->second.file.mode;
  return (mode & S_IFMT) == 0 || S_ISREG(mode) || S_ISBLK(mode);
}

}  // namespace

std::vector<WriterAgainst> writers_against_locks(const SampleView& view) {
  std::vector<WriterAgainst> result;
  const RawSample& raw = view.sample.raw;
  if (view.locks == nullptr || view.locks->writes().empty() || !raw.file_locks_complete) return result;
  std::map<FileId, std::vector<const FileLock*>> locks_on;
  for (const FileLock& lock : raw.file_locks) locks_on[lock.file].push_back(&lock);

  for (const FileWrites& writes : view.locks->writes()) {
    if (writes.against_flock + writes.against_posix == 0 || !may_be_kept_whole(view, writes.file)) continue;
    const pid_t pid = writes.actor.pid;
    const auto concerns_writer = [&](const FileLock* lock) {
      return std::ranges::any_of(lock->sharers, [&](const FileLock::Sharer& sharer) {
        return sharer.pid == pid || is_family(raw, sharer.pid, pid);
      });
    };
    const std::vector<const FileLock*>& held = locks_on[writes.file];
    if (std::ranges::any_of(held, concerns_writer) || is_family(raw, writes.locker, pid)) continue;
    const auto use_of = [&](bool flock) -> const LockTable::Use* {
      const LockTable::Use* use = view.locks->find_use(LockOfFile{writes.file, flock}, pid);
      return use != nullptr && use->actor.start_ns == writes.actor.start_ns ? use : nullptr;
    };
    const LockTable::Use* flock_use = use_of(true);
    const LockTable::Use* posix_use = use_of(false);
    if ((flock_use != nullptr && flock_use->granted > 0) || (posix_use != nullptr && posix_use->granted > 0)) continue;
    for (const bool flock : {true, false}) {
      WriterAgainst writer{.writes = &writes,
                           .lock = {writes.file, flock},
                           .against = flock ? writes.against_flock : writes.against_posix,
                           .held = {},
                           .use = flock ? flock_use : posix_use};
      if (writer.against == 0) continue;
      for (const FileLock* lock : held) {
        const bool whole = lock->start == 0 && lock->end == ~std::uint64_t{0};
        if ((lock->kind == FileLockKind::flock) == flock && lock->exclusive && whole && !lock->sharers.empty()) {
          writer.held.push_back(lock);
        }
      }
      result.push_back(std::move(writer));
    }
  }
  return result;
}

std::vector<pid_t> lockers(const WriterAgainst& writer) {
  std::vector<pid_t> pids;
  for (const FileLock* lock : writer.held) {
    for (const FileLock::Sharer& sharer : lock->sharers) pids.push_back(sharer.pid);
  }
  std::ranges::sort(pids);
  const auto [first, last] = std::ranges::unique(pids);
  pids.erase(first, last);
  return pids;
}

std::string name_lockers(const SampleView& view, const WriterAgainst& writer) {
  std::vector<pid_t> pids = lockers(writer);
  if (pids.empty() && writer.writes->locker > 0) pids.push_back(writer.writes->locker);
  if (pids.empty()) return "somebody else";
  std::vector<std::string> names;
  for (const pid_t pid : pids) names.push_back(name_process(view.sample, pid));
  return name_list(names);
}

}  // namespace lockscope
