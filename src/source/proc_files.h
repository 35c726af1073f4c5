// SPDX-License-Identifier: Apache-2.0
// The files of /proc that the sources read: bounded reads and parsers of what the kernel wrote into them. Parsers are
// pure, take whole texts and answer nothing for what they do not understand; formats as of Linux 5.10 to 7.x
// (fs/proc/array.c, base.c, task_mmu.c, fs/locks.c). Names inside are hostile: they may hold any byte but NUL.
// For the sources only. Views point into the text given.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lockscope/raw_sample.h"
#include "source/unique_fd.h"

namespace lockscope {

// One buffer for many files, so that a look allocates nothing per file.
class FileReader {
 public:
  enum class Failure { gone, refused, other };
  // Whether the kernel gives the file in one answer, where the buffer is large enough: all files of a thread.
  enum class Answers { one, many };

  // The whole file, up to `limit` bytes; what exceeds it is cut off and truncated() says so. The view lives until the
  // next call. Nothing: see failure().
  [[nodiscard]] std::optional<std::string_view> read(int directory, const char* path, Answers answers = Answers::one,
                                                     std::size_t limit = 1 << 20);
  // The same of an open file that the kernel gives in one answer, from its start: as of now.
  [[nodiscard]] std::optional<std::string_view> read_again(const UniqueFd& file);
  [[nodiscard]] Failure failure() const { return failure_; }
  [[nodiscard]] bool truncated() const { return truncated_; }

 private:
  void note_failure();

  std::vector<char> buffer_ = std::vector<char>(16384);
  Failure failure_ = Failure::other;
  bool truncated_ = false;
};

// The names in a directory that are numbers, ascending: processes, threads, descriptors. Nothing: could not be opened.
[[nodiscard]] std::optional<std::vector<pid_t>> read_numbered_entries(int directory, const char* path);

struct StatFields {
  std::string_view comm;  // as the process set it: may hold ") S 1" and newlines
  char state = '?';
  pid_t parent_pid = 0;
  bool kernel_thread = false;
  std::uint64_t start_ticks = 0;  // since boot
};
[[nodiscard]] std::optional<StatFields> parse_stat(std::string_view text);

struct StatusFields {
  pid_t tgid = 0;
  std::uint32_t uid = 0;  // effective
  // Numbers from the reader's PID namespace down to the thread's own: the first is the reader's.
  static constexpr std::size_t kMaxLevels = 33;  // MAX_PID_NS_LEVEL + 1
  std::array<pid_t, kMaxLevels> numbers{};
  std::size_t levels = 0;
  pid_t ns_tid = 0;
  pid_t ns_pid = 0;
  std::uint64_t voluntary_switches = 0;
  std::uint64_t involuntary_switches = 0;
  std::uint64_t signals_caught = ~std::uint64_t{0};  // bit n-1: signal n has a handler
};
[[nodiscard]] std::optional<StatusFields> parse_status(std::string_view text);

struct SyscallFields {
  enum class Where { running, outside, inside } where = Where::running;
  std::int64_t number = -1;
  std::array<std::uint64_t, 6> args{};
  std::uint64_t sp = 0;
  std::uint64_t ip = 0;
  friend bool operator==(const SyscallFields&, const SyscallFields&) = default;
};
[[nodiscard]] std::optional<SyscallFields> parse_syscall(std::string_view text);

struct LockFields {
  FileLockKind kind = FileLockKind::flock;
  bool waits = false;  // a "->" line: somebody blocked behind the lock above it
  bool exclusive = false;
  pid_t locker = 0;  // -1: an OFD lock
  FileId file;
  std::uint64_t start = 0;
  std::uint64_t end = ~std::uint64_t{0};
  friend auto operator<=>(const LockFields&, const LockFields&) = default;
};
// A line of /proc/locks, or of fdinfo after "lock:". Nothing: a lease, a delegation, or not understood.
[[nodiscard]] std::optional<LockFields> parse_lock_line(std::string_view line);

struct FdinfoFields {
  std::uint64_t position = 0;
  std::uint64_t flags = 0;           // of open(2)
  std::optional<std::uint64_t> ino;  // Linux 5.14 on
  std::optional<pid_t> pid;          // of a pidfd
  std::vector<LockFields> locks;     // held through this descriptor
};
[[nodiscard]] std::optional<FdinfoFields> parse_fdinfo(std::string_view text);

}  // namespace lockscope
