// SPDX-License-Identifier: Apache-2.0
// What a source saw in one look, with nothing interpreted: every thread of the host, and for the blocked ones their
// registers, the bytes around the lock word, and the file locks. Written by src/source/, read by src/classify/.
// Plain values: a look can be saved as text and replayed on any machine (src/source/replay_source.h).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lockscope/ids.h"

namespace lockscope {

enum class ThreadState {
  running,  // on a CPU or ready to be
  blocked,  // asleep in the kernel
  stopped,  // by a signal, a tracer or a freezer
  exiting,
};

// One user thread. Facts of the kernel; strings are as the process set them: hostile, escaped only at the exporters.
struct Thread {
  ThreadId id;
  pid_t pid = 0;         // thread group, in the reader's PID namespace
  pid_t parent_pid = 0;  // 0: none in sight
  pid_t ns_tid = 0;      // in the thread's own PID namespace: what user space writes into its locks
  pid_t ns_pid = 0;
  std::uint32_t pid_ns = 0;
  std::optional<std::uint32_t> uid;
  ThreadState state = ThreadState::running;
  std::optional<std::int64_t> syscall;  // number, where the thread sleeps in one and it could be read
  bool compat = false;                  // 32-bit or x32 system call: not understood
  bool moved = false;                   // ran while it was being read
  bool readable = true;                 // false: another user's thread, of which only the name is known
  std::uint64_t voluntary_switches = 0;
  std::uint64_t involuntary_switches = 0;
  std::optional<std::uint64_t> blocked_ns;  // lower bound of the time since it last ran
  std::uint64_t address_space = 0;          // identity: equal for threads that share memory
  std::uint64_t files = 0;                  // identity of the descriptor table
  // task_struct.prio, as boosted now: below 0 deadline, below 100 real-time (lower goes first), else 120 + nice.
  std::optional<int> priority;
  // A timer or an alarm handler may cut an interruptible wait short. Sources that cannot tell set it.
  bool timer_armed = false;
  std::string comm;
  friend bool operator==(const Thread&, const Thread&) = default;
};

// Which code made the system call: what the address of the instruction tells (src/source/code_modules.h).
enum class CodePlace {
  unknown,            // no file mapping could be read, or a statically linked program
  libc,               // glibc's libc, libpthread or loader
  libc_syscall,       // syscall(2) of glibc or musl: the caller speaks futex itself
  libc_private_lock,  // glibc __lll_lock_wait_private: stdio, malloc and other internal locks
  libc_lock,          // glibc __lll_lock_wait: a pthread mutex
  musl,
  other,  // a file that is no C library, or no file at all: not a primitive of libc
};

enum class LibcKind { unknown, glibc, musl };

// Where a lock word lies in shared memory: the same lock in every process that maps it.
struct SharedPlace {
  FileId file;
  std::uint64_t offset = 0;
  friend auto operator<=>(const SharedPlace&, const SharedPlace&) = default;
};

inline constexpr std::int64_t kWindowBefore = 64;
inline constexpr std::int64_t kWindowAfter = 64;

// Memory around the lock word, as far as it was mapped. Offsets are relative to the word.
struct MemoryWindow {
  std::array<std::uint8_t, kWindowBefore + kWindowAfter> bytes{};
  std::int64_t low = 0;  // valid: [low, high)
  std::int64_t high = 0;
  friend bool operator==(const MemoryWindow&, const MemoryWindow&) = default;
};

struct OpenFile {
  std::uint64_t identity = 0;  // of the open file description; 0: not known (only (dev, ino) is)
  FileId file;
  std::uint64_t position = 0;
  std::uint64_t size = 0;
  friend bool operator==(const OpenFile&, const OpenFile&) = default;
};

// One thread blocked in a system call that can be a wait for a lock.
struct RawWait {
  std::size_t thread = 0;  // index into RawSample::threads
  std::int64_t syscall = 0;
  std::array<std::uint64_t, 6> args{};
  std::uint64_t ip = 0;
  std::uint64_t sp = 0;
  std::array<std::uint64_t, 6> callee_saved{};  // bp bx r12 r13 r14 r15
  CodePlace code = CodePlace::unknown;
  LibcKind libc = LibcKind::unknown;
  bool restarted = false;       // restart_syscall of a futex wait; syscall and args are those of the futex call
  bool word_in_loader = false;  // the word lies in the dynamic loader's own data
  // Where the word lies in a shared mapping. Unset: it lies in private memory, or the maps could not be read.
  std::optional<SharedPlace> shared;
  MemoryWindow window;
  std::vector<std::uint8_t> stack;  // from sp up; may be empty
  std::optional<OpenFile> file;     // of the descriptor in args[0], for file locks
  // As given: relative or absolute, by the call's own rules. All ones: there is one, but it could not be read.
  std::optional<std::uint64_t> timeout_ns;
  // struct flock of an fcntl lock wait, or the futex_waitv entries, as read from the thread's memory.
  std::vector<std::uint8_t> argument;
  ThreadId pi_owner;  // by the kernel's rt_mutex; tid 0: none
  friend bool operator==(const RawWait&, const RawWait&) = default;
};

enum class FileLockKind { flock, posix, ofd };

// One lock that is held on a file, with every process that can let go of it.
struct FileLock {
  FileLockKind kind = FileLockKind::flock;
  bool exclusive = false;
  FileId file;
  std::uint64_t start = 0;
  std::uint64_t end = ~std::uint64_t{0};  // inclusive
  std::uint64_t owner = 0;                // identity: open file description, or descriptor table for POSIX
  pid_t locker = 0;                       // who took it: a number to show, not a holder
  struct Sharer {
    pid_t pid = 0;
    int fd = -1;
    bool readonly = false;
    friend bool operator==(const Sharer&, const Sharer&) = default;
  };
  std::vector<Sharer> sharers;  // sorted by pid, fd
  // References exist that no descriptor table accounts for: a descriptor in flight, a mapping, a process out of sight.
  bool other_references = false;
  friend bool operator==(const FileLock&, const FileLock&) = default;
};

// What a look could not see. Never an error: a report says so.
struct Coverage {
  std::uint64_t threads_seen = 0;
  std::uint64_t threads_waiting = 0;
  std::uint64_t unreadable = 0;                      // threads whose wait or memory could not be read
  std::uint64_t not_understood = 0;                  // 32-bit threads
  std::map<std::string, std::uint64_t> lost_events;  // by cause
  friend bool operator==(const Coverage&, const Coverage&) = default;
};

struct RawSample {
  std::string source;          // "bpf", "proc", "replay"
  std::uint64_t taken_ns = 0;  // CLOCK_BOOTTIME at the start of the look
  std::uint64_t duration_ns = 0;
  std::uint64_t realtime_offset_ns = 0;   // CLOCK_REALTIME minus CLOCK_BOOTTIME
  std::uint64_t monotonic_offset_ns = 0;  // CLOCK_BOOTTIME minus CLOCK_MONOTONIC
  bool sees_all_pids = false;             // in the initial PID namespace, with every process in sight
  std::vector<Thread> threads;  // sorted by (pid, tid): a process is a contiguous range, its first the leader if alive
  std::vector<RawWait> waits;   // in the order of threads
  std::vector<FileLock> file_locks;
  bool file_locks_complete = false;  // file_locks was filled: only where asked for, or where somebody waits
  Coverage coverage;
  friend bool operator==(const RawSample&, const RawSample&) = default;
};

}  // namespace lockscope
