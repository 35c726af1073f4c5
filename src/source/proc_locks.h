// SPDX-License-Identifier: Apache-2.0
// File locks from /proc alone: who holds the locks that somebody in a look waits for, and who else can let go of them.
//
// /proc/locks names each lock by the process that took it, which for flock and OFD locks is not who holds it: that is
// the open file description, and every process with a descriptor of it can unlock. These are found by the "lock:" lines
// of /proc/*/fdinfo, and told apart by kcmp(2). What cannot be seen is said: a lock without a visible holder, a process
// that may not be read and a PID namespace below the first all give other_references.
// For proc_source only, and only where somebody waits or all are asked for. Cost: 4 us for each descriptor of the host.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "lockscope/raw_sample.h"
#include "source/proc_files.h"

namespace lockscope {

// A lock line of a descriptor: what it says and where it was read.
struct SeenLock {
  LockFields lock;
  pid_t pid = 0;
  pid_t table = 0;  // the thread whose descriptor table was read
  int fd = -1;
  bool readonly = false;
};

// Whether two descriptors mean one open file description.
enum class SameFile { yes, no, unknown };
using CompareFiles = SameFile (*)(pid_t table_a, int fd_a, pid_t table_b, int fd_b);

// Pure: the locks held, from the lines of /proc/locks (held only) and those of descriptors. `everything_seen`: no
// process is out of sight. With each lock goes one descriptor of it, to compare others with, where one is known.
struct HeldLock {
  FileLock lock;
  std::optional<SeenLock> representative;
};
[[nodiscard]] std::vector<HeldLock> group_locks(const std::vector<LockFields>& held, const std::vector<SeenLock>& seen,
                                                bool everything_seen, CompareFiles compare);

// The file that a blocked locker waits for, by its own "->" line. Nothing: cannot be told apart from another.
// `ino`: of the descriptor, where known. `locker`: its process, -1 for an OFD lock.
[[nodiscard]] std::optional<FileId> file_of_waiter(const std::vector<LockFields>& lines, FileLockKind kind,
                                                   bool exclusive, pid_t locker, std::optional<std::uint64_t> ino);

class FileLockReader {
 public:
  FileLockReader(int proc, FileReader& reader) : proc_(proc), reader_(reader) {}

  // Fills file_locks, file_locks_complete and the `file` of file-lock waits. `initial_namespace`: the reader's PID
  // namespace is the first, so that no process is out of sight. `all`: also the locks that nobody waits for.
  void read(RawSample& sample, bool initial_namespace, bool all);

 private:
  [[nodiscard]] std::optional<std::vector<LockFields>> read_locks();
  void walk_processes(const std::set<FileId>& wanted);
  void walk_process(pid_t pid, const std::set<FileId>& wanted);
  void walk_table(pid_t pid, pid_t table, const std::set<FileId>& wanted);

  int proc_;
  FileReader& reader_;
  std::vector<SeenLock> seen_;
  bool everything_read_ = true;
};

}  // namespace lockscope
