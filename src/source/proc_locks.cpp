// SPDX-License-Identifier: Apache-2.0
#include "source/proc_locks.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/kcmp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "source/proc_waits.h"
#include "source/text_scan.h"

namespace lockscope {
namespace {

// Made up, and apart from process numbers, which stand for descriptor tables.
constexpr std::uint64_t kMadeUpIdentity = std::uint64_t{1} << 62;
constexpr std::size_t kMaxRepresentatives = 8;
constexpr std::size_t kLocksLimit = std::size_t{64} << 20;

SameFile compare_files(pid_t table_a, int fd_a, pid_t table_b, int fd_b) {
  if (table_a == table_b && fd_a == fd_b) return SameFile::yes;
  const long order = ::syscall(SYS_kcmp, table_a, table_b, KCMP_FILE, fd_a, fd_b);
  return order < 0 ? SameFile::unknown : order == 0 ? SameFile::yes : SameFile::no;
}

// What a waiter asks for.
struct Request {
  FileLockKind kind;
  bool exclusive;
};

std::optional<Request> request_of(const RawWait& wait) {
  if (wait.syscall == wait_call::kFlock) return Request{FileLockKind::flock, (wait.args[1] & LOCK_EX) != 0};
  if (wait.syscall != wait_call::kFcntl || wait.argument.size() < sizeof(std::int16_t)) return std::nullopt;
  std::int16_t type = 0;
  std::memcpy(&type, wait.argument.data(), sizeof type);
  return Request{wait.args[1] == F_OFD_SETLKW ? FileLockKind::ofd : FileLockKind::posix, type == F_WRLCK};
}

std::string fdinfo_path(pid_t pid, pid_t table) {
  return pid == table ? fmt::format("{}/fdinfo", pid) : fmt::format("{}/task/{}/fdinfo", pid, table);
}
std::string fdinfo_path(pid_t pid, pid_t table, int fd) { return fmt::format("{}/{}", fdinfo_path(pid, table), fd); }

FileLock as_file_lock(const LockFields& line) {
  FileLock lock;
  lock.kind = line.kind;
  lock.exclusive = line.exclusive;
  lock.file = line.file;
  lock.start = line.start;
  lock.end = line.end;
  lock.locker = std::max(0, line.locker);
  return lock;
}

}  // namespace

std::vector<HeldLock> group_locks(const std::vector<LockFields>& held, const std::vector<SeenLock>& seen,
                                  bool everything_seen, CompareFiles compare) {
  std::map<LockFields, std::size_t> counts;
  for (const LockFields& line : held) ++counts[line];
  std::map<LockFields, std::vector<const SeenLock*>> by_text;
  for (const SeenLock& lock : seen) {
    by_text[lock.lock].push_back(&lock);
    counts.try_emplace(lock.lock, 0);  // taken after /proc/locks was read
  }

  std::vector<HeldLock> locks;
  std::uint64_t next_identity = kMadeUpIdentity;
  for (const auto& [line, count] : counts) {
    // Lines that say the same are one lock per open file description.
    std::vector<std::vector<const SeenLock*>> groups;
    bool apart = line.kind != FileLockKind::posix;  // one owner has no two equal POSIX locks
    for (const SeenLock* lock : by_text[line]) {
      const auto mine = std::ranges::find_if(groups, [&](const auto& group) {
        if (!apart) return true;
        const SameFile same = compare(group.front()->table, group.front()->fd, lock->table, lock->fd);
        apart = same != SameFile::unknown;
        return same == SameFile::yes;
      });
      if (mine == groups.end()) {
        groups.push_back({lock});
      } else {
        mine->push_back(lock);
      }
    }
    // Where descriptors cannot be compared, whoever holds one of several equal locks may hold any.
    const bool confused = line.kind != FileLockKind::posix && !apart && count != 1;
    if (line.kind != FileLockKind::posix && !apart) groups = {by_text[line]};
    for (const auto& group : groups) {
      HeldLock entry{as_file_lock(line), *group.front()};
      const bool by_process = line.kind == FileLockKind::posix && group.front()->table == group.front()->pid;
      entry.lock.owner = by_process ? static_cast<std::uint64_t>(group.front()->pid) : next_identity++;
      for (const SeenLock* lock : group) entry.lock.sharers.push_back({lock->pid, lock->fd, lock->readonly});
      std::ranges::sort(entry.lock.sharers, {}, [](const FileLock::Sharer& s) { return std::pair(s.pid, s.fd); });
      entry.lock.other_references = !everything_seen || confused;
      if (confused) entry.representative.reset();
      locks.push_back(std::move(entry));
    }
    for (std::size_t missing = groups.size(); missing < count; ++missing) {
      HeldLock entry{as_file_lock(line), std::nullopt};
      entry.lock.owner = next_identity++;
      entry.lock.other_references = true;
      locks.push_back(std::move(entry));
    }
  }
  return locks;
}

std::optional<FileId> file_of_waiter(const std::vector<LockFields>& lines, FileLockKind kind, bool exclusive,
                                     pid_t locker, std::optional<std::uint64_t> ino) {
  std::optional<FileId> file;
  for (const LockFields& line : lines) {
    if (!line.waits || line.kind != kind || line.exclusive != exclusive || line.locker != locker) continue;
    if (ino && line.file.ino != *ino) continue;
    if (file && *file != line.file) return std::nullopt;
    file = line.file;
  }
  return file;
}

std::optional<std::vector<LockFields>> FileLockReader::read_locks() {
  const auto text = reader_.read(proc_, "locks", FileReader::Answers::many, kLocksLimit);
  if (!text || reader_.truncated()) return std::nullopt;
  std::vector<LockFields> lines;
  TextScan scan(*text);
  while (!scan.at_end()) {
    if (const auto line = parse_lock_line(scan.take_line())) lines.push_back(*line);
  }
  return lines;
}

void FileLockReader::walk_table(pid_t pid, pid_t table, const std::set<FileId>& wanted) {
  const auto descriptors = read_numbered_entries(proc_, fdinfo_path(pid, table).c_str());
  if (!descriptors) {
    if (errno != ENOENT && errno != ESRCH) everything_read_ = false;
    return;
  }
  for (const pid_t fd : *descriptors) {
    const auto text = reader_.read(proc_, fdinfo_path(pid, table, fd).c_str());
    if (!text) {
      if (reader_.failure() != FileReader::Failure::gone) everything_read_ = false;
      continue;
    }
    if (text->find("\nlock:") == std::string_view::npos) continue;
    if (reader_.truncated()) everything_read_ = false;
    const auto fields = parse_fdinfo(*text);
    if (!fields) continue;
    const bool readonly = (fields->flags & O_ACCMODE) == O_RDONLY;
    for (const LockFields& lock : fields->locks) {
      if (wanted.contains(lock.file)) seen_.push_back({lock, pid, table, fd, readonly});
    }
  }
}

void FileLockReader::walk_process(pid_t pid, const std::set<FileId>& wanted) {
  walk_table(pid, pid, wanted);
  // A thread may have a descriptor table of its own (unshare(2)), and is the only one left to show the process' when
  // the leader has ended.
  const auto threads = read_numbered_entries(proc_, fmt::format("{}/task", pid).c_str());
  if (!threads) return;
  std::vector<pid_t> tables = {pid};
  for (const pid_t tid : *threads) {
    if (tid == pid) continue;
    const bool known = std::ranges::any_of(tables, [&](pid_t table) {
      const long order = ::syscall(SYS_kcmp, table, tid, KCMP_FILES, 0, 0);
      if (order < 0 && errno != ESRCH) everything_read_ = false;
      return order <= 0;
    });
    if (known) continue;
    walk_table(pid, tid, wanted);
    if (tables.size() < kMaxRepresentatives) tables.push_back(tid);
  }
}

void FileLockReader::walk_processes(const std::set<FileId>& wanted) {
  std::set<pid_t> walked;
  // A process made during the walk may have inherited a lock from one that ended before its turn came.
  for (int round = 0; round < 3; ++round) {
    const auto processes = read_numbered_entries(proc_, ".");
    if (!processes) {
      everything_read_ = false;
      return;
    }
    bool found_new = false;
    for (const pid_t pid : *processes) {
      if (!walked.insert(pid).second) continue;
      found_new = true;
      walk_process(pid, wanted);
    }
    if (!found_new) return;
  }
}

void FileLockReader::read(RawSample& sample, bool initial_namespace, bool all) {
  seen_.clear();
  everything_read_ = true;
  const auto lines = read_locks();
  if (!lines) return;

  std::set<FileId> wanted;
  if (all) {
    for (const LockFields& line : *lines) wanted.insert(line.file);
  }
  for (RawWait& wait : sample.waits) {
    const auto request = request_of(wait);
    if (!request) continue;
    const Thread& thread = sample.threads[wait.thread];
    const auto text =
        reader_.read(proc_, fdinfo_path(thread.pid, thread.id.tid, static_cast<int>(wait.args[0])).c_str());
    const auto fields = text ? parse_fdinfo(*text) : std::nullopt;
    if (!fields) continue;
    const pid_t locker = request->kind == FileLockKind::ofd ? -1 : thread.pid;
    const auto file = file_of_waiter(*lines, request->kind, request->exclusive, locker, fields->ino);
    if (!file) continue;
    wanted.insert(*file);
    wait.file = OpenFile{0, *file, fields->position, 0};
    const std::string path = fmt::format("{}/task/{}/fd/{}", thread.pid, thread.id.tid, static_cast<int>(wait.args[0]));
    struct stat status {};
    if (::fstatat(proc_, path.c_str(), &status, 0) == 0) wait.file->size = static_cast<std::uint64_t>(status.st_size);
  }

  if (!wanted.empty()) walk_processes(wanted);
  std::vector<LockFields> held;
  std::ranges::copy_if(*lines, std::back_inserter(held),
                       [&](const LockFields& line) { return !line.waits && wanted.contains(line.file); });
  auto locks = group_locks(held, seen_, initial_namespace && everything_read_, &compare_files);
  for (auto& [lock, representative] : locks) {
    if (lock.kind != FileLockKind::posix || lock.owner >= kMadeUpIdentity) continue;
    const auto process = std::ranges::lower_bound(sample.threads, representative->pid, {}, &Thread::pid);
    if (process != sample.threads.end() && process->pid == representative->pid) lock.owner = process->files;
  }

  std::uint64_t next_identity = kMadeUpIdentity + (kMadeUpIdentity >> 1);
  for (RawWait& wait : sample.waits) {
    if (!wait.file) continue;
    const pid_t table = sample.threads[wait.thread].id.tid;
    std::optional<std::uint64_t> identity = next_identity++;
    for (const HeldLock& held_lock : locks) {
      if (held_lock.lock.file != wait.file->file || held_lock.lock.kind == FileLockKind::posix) continue;
      const auto& other = held_lock.representative;
      const SameFile same =
          other ? compare_files(table, static_cast<int>(wait.args[0]), other->table, other->fd) : SameFile::unknown;
      if (same == SameFile::yes) identity = held_lock.lock.owner;
      if (same == SameFile::yes) break;
      if (same == SameFile::unknown) identity.reset();
    }
    wait.file->identity = identity.value_or(0);
  }
  for (const HeldLock& held_lock : locks) sample.file_locks.push_back(held_lock.lock);
  sample.file_locks_complete = true;
}

}  // namespace lockscope
