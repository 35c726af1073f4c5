// SPDX-License-Identifier: Apache-2.0
// What the waits of one look mean: which lock each blocked thread waits for, and who can end that wait.
// Made by src/classify/ from a RawSample; seen as const by the model, the detectors and the exporters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lockscope/raw_sample.h"

namespace lockscope {

enum class LockKind {
  mutex,
  recursive_mutex,
  errorcheck_mutex,
  adaptive_mutex,
  robust_mutex,
  pi_mutex,
  priority_protect_mutex,
  rwlock,
  spin,
  cond,
  sem,
  barrier,
  once,
  join,
  stdio,
  loader,
  libc_internal,
  flock,
  posix,
  ofd,
  sysv_sem,
  child,  // a parent waits for a child process
  futex,  // a word of some other library: owner never known
};
[[nodiscard]] const char* name_of(LockKind kind);  // as in JSON and metrics: "mutex", "recursive_mutex", …

enum class Evidence { kernel, memory, traced, unknown };
[[nodiscard]] const char* name_of(Evidence evidence);

enum class Mode { exclusive, shared };

// Identity of a lock. Exactly one of the alternatives.
struct PrivateWord {
  std::uint64_t address_space = 0;
  std::uint64_t address = 0;  // of the primitive, not of the futex word inside it
  friend auto operator<=>(const PrivateWord&, const PrivateWord&) = default;
};
struct FileRange {
  FileId file;
  bool whole = false;  // flock: the file; otherwise the locks of a file are one thing, split by range in the edges
  friend auto operator<=>(const FileRange&, const FileRange&) = default;
};
struct ThreadEnd {  // join, child: the end of a thread or of a process
  ThreadId thread;
  friend auto operator<=>(const ThreadEnd&, const ThreadEnd&) = default;
};
struct SysvSet {
  std::uint64_t id = 0;
  friend auto operator<=>(const SysvSet&, const SysvSet&) = default;
};
struct LockId {
  std::variant<PrivateWord, SharedPlace, FileRange, ThreadEnd, SysvSet> place;
  friend auto operator<=>(const LockId&, const LockId&) = default;
};

// Somebody who can end a wait: one thread, or any thread of a process.
struct Releaser {
  enum class Scope { thread, any_thread_of_process } scope = Scope::thread;
  pid_t pid = 0;
  ThreadId thread;  // scope thread; for a process its leader, as a name to show
  friend auto operator<=>(const Releaser&, const Releaser&) = default;
};

// One thing that must happen before the wait can end: one of `any_of` lets go. A wait ends when all of its obstacles
// are gone. `known` false: there may be others who can; then nothing is proved by looking at these.
struct Obstacle {
  std::vector<Releaser> any_of;  // sorted, unique
  bool known = true;
  // True: `any_of` is everyone who could, not who will. A normal mutex that its own waiter holds, or a reader-held
  // rwlock, can be let go only by a thread that has the memory; which one is not written anywhere. Where all of them
  // are stuck that is proof; where one is merely asleep it is a suspicion.
  bool candidates = false;
  std::vector<Releaser> likely;  // where `candidates`: those whose stack or registers point at the lock; to show only
  Evidence evidence = Evidence::unknown;
  friend bool operator==(const Obstacle&, const Obstacle&) = default;
};

// Why an owner that the lock's memory names is not there.
enum class OwnerGone {
  no,
  exited,           // its thread or process has ended
  before_fork,      // the lock was copied, held, by fork()
  not_recoverable,  // robust mutex in an inconsistent state that nobody can repair
};

struct Wait {
  std::size_t thread = 0;  // index into Sample::threads
  LockKind kind = LockKind::futex;
  Mode mode = Mode::exclusive;
  LockId lock;
  std::optional<std::uint64_t> address;  // in the waiter's address space
  bool process_shared = false;
  std::vector<Obstacle> obstacles;           // empty: nobody known
  bool timed = false;                        // the call has a timeout, or a timer may interrupt it
  std::optional<std::uint64_t> deadline_ns;  // CLOCK_BOOTTIME, where the timeout could be read
  std::optional<std::uint64_t> blocked_ns;   // lower bound
  OwnerGone owner_gone = OwnerGone::no;
  std::optional<pid_t> gone_owner;            // the number that the memory names, in the waiter's namespace
  bool owner_enforced = false;                // only the owner can unlock: recursive, errorcheck, robust, PI
  bool self = false;                          // the waiter itself is the owner
  bool owner_transient = false;               // held, but between two owners when it was read
  std::optional<std::uint32_t> reader_count;  // rwlock held by readers
  std::optional<std::uint64_t> needs_mutex;   // condition wait: the mutex that it takes again
  // File locks: what was asked for, and the file as the waiter names it.
  std::optional<FileLockKind> file_lock;
  std::uint64_t range_start = 0;
  std::uint64_t range_end = ~std::uint64_t{0};
  int fd = -1;
  std::uint64_t fingerprint = 0;  // of registers and counters: equal in two looks if it is the same wait
};

// Held file locks that stand in a wait's way are in Sample::file_locks; their processes are in the obstacles.
struct Sample {
  RawSample raw;
  std::vector<Wait> waits;  // in the order of raw.threads
  // Inert: asleep for good by construction (pause() in a process that catches no signal). Index into raw.threads.
  std::vector<std::size_t> inert;
};

}  // namespace lockscope
