// SPDX-License-Identifier: Apache-2.0
// What happened on the locks of the host between two ticks: contended waits, file-lock operations, failed tries. Counted
// in the kernel, lock by lock and process by process, so that a busy lock costs one entry and not a record an event;
// single events are kept only for waits above a threshold. Written by src/source/contention_source, kept across ticks
// by src/model/lock_table, recorded by src/recording. Plain values. Times are CLOCK_BOOTTIME unless they say otherwise.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lockscope/ids.h"
#include "lockscope/raw_sample.h"

namespace lockscope {

// A process as the kernel knew it when it acted. It may have ended since: then this is all that is known of it.
struct Actor {
  pid_t pid = 0;               // thread group, in the reader's PID namespace
  std::uint64_t start_ns = 0;  // of the group leader
  std::uint32_t uid = 0;       // effective, in the initial user namespace
  std::uint64_t cgroup = 0;    // id in the unified hierarchy; 0: unknown
  std::string comm;            // as the process set it: hostile
  friend auto operator<=>(const Actor&, const Actor&) = default;
};

// How a lock is told apart across ticks and processes.
struct WordOfProcess {  // a futex word in private memory, or one whose mapping could not be read
  pid_t pid = 0;
  std::uint64_t address = 0;  // of the futex word, not of the primitive around it
  friend auto operator<=>(const WordOfProcess&, const WordOfProcess&) = default;
};
struct LockOfFile {  // POSIX and OFD locks of a file stand in each other's way and are one lock, flocks another
  FileId file;
  bool flock = false;
  friend auto operator<=>(const LockOfFile&, const LockOfFile&) = default;
};
using ContendedLock = std::variant<WordOfProcess, SharedPlace, LockOfFile, std::uint64_t /* System V set */>;

// Wait times: bucket i counts [2^i, 2^(i+1)) microseconds; the first also all below, the last all above.
struct WaitHistogram {
  static constexpr std::size_t kBuckets = 26;  // the last begins at 33 s
  std::array<std::uint64_t, kBuckets> counts{};
  [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t ns) {
    const auto log2 = static_cast<std::size_t>(std::bit_width(ns / 1000));
    return log2 == 0 ? 0 : log2 - 1 < kBuckets ? log2 - 1 : kBuckets - 1;
  }
  WaitHistogram& operator+=(const WaitHistogram& other) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts[i] += other.counts[i];
    return *this;
  }
  friend bool operator==(const WaitHistogram&, const WaitHistogram&) = default;
};

// Ended waits of one process for one lock.
struct WaitCounts {
  std::uint64_t acquired = 0;   // ended by being woken by somebody who let go
  std::uint64_t abandoned = 0;  // ended by a timeout or a signal
  std::uint64_t total_ns = 0;
  std::uint64_t longest_ns = 0;
  pid_t longest_tid = 0;
  std::uint64_t first_abandoned_ns = 0;  // 0: none
  std::uint64_t last_abandoned_ns = 0;
  WaitHistogram histogram;
  [[nodiscard]] std::uint64_t count() const { return acquired + abandoned; }
  friend bool operator==(const WaitCounts&, const WaitCounts&) = default;
};

struct WordWaits {  // futex family, System V semaphores
  Actor actor;
  ContendedLock lock;
  WaitCounts waits;
  friend bool operator==(const WordWaits&, const WordWaits&) = default;
};

// The first contended wait that was seen on a word: enough to tell which primitive it is.
struct FirstWait {
  Thread thread;
  RawWait wait;  // .thread is 0
  friend bool operator==(const FirstWait&, const FirstWait&) = default;
};

// Every operation of one process on one file's locks of one kind.
struct FileLockUse {
  Actor actor;
  FileId file;
  FileLockKind kind = FileLockKind::flock;
  std::uint64_t granted_exclusive = 0;
  std::uint64_t granted_shared = 0;
  std::uint64_t contended = 0;  // had to wait: granted, abandoned or still waiting in the end
  std::uint64_t failed = 0;     // refused at once: EWOULDBLOCK, EAGAIN, EACCES
  std::uint64_t deadlocks = 0;  // refused with EDEADLK
  std::uint64_t errors = 0;     // refused for another reason (ENOLCK, ENOMEM, …)
  std::uint64_t released = 0;   // unlocked by a call
  std::uint64_t closed = 0;     // unlocked, or tried to, by the last close of a description; exit included
  WaitCounts waits;             // of those that were granted or given up
  std::uint64_t last_granted_ns = 0;
  std::uint64_t last_released_ns = 0;
  std::uint64_t first_failed_ns = 0;
  std::uint64_t last_failed_ns = 0;
  bool readonly = false;  // by a descriptor that is not open for writing, at least once
  friend bool operator==(const FileLockUse&, const FileLockUse&) = default;
};

// Writes and truncations of one process to a file while others hold locks on it. Only where asked for.
struct FileWrites {
  Actor actor;
  FileId file;
  std::uint64_t writes = 0;
  // Of these, while an exclusive lock of somebody else covered the whole file and the writer's process held none.
  std::uint64_t against_flock = 0;
  std::uint64_t against_posix = 0;
  pid_t locker = 0;  // who took that lock: the kernel's flc_pid, in the reader's PID namespace; 0: unknown
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
  friend bool operator==(const FileWrites&, const FileWrites&) = default;
};

// open(O_CREAT | O_EXCL) that found the name taken. Only where asked for.
struct FailedCreate {
  Actor actor;
  std::string path;  // as the process gave it: hostile; relative to its working directory unless it begins with /
  std::uint64_t tries = 0;
  std::uint64_t first_ns = 0;
  std::uint64_t last_ns = 0;
  friend bool operator==(const FailedCreate&, const FailedCreate&) = default;
};

// Calls on a mutex or semaphore in memory that two domains of trust share, seen by probes in these processes only. Of a
// mutex only tries are counted: it names its owner.
struct SharedLockUse {
  Actor actor;
  SharedPlace place;  // of the primitive
  bool semaphore = false;
  std::uint64_t acquired = 0;
  std::uint64_t released = 0;
  std::uint64_t failed = 0;  // trylock, trywait
  std::uint64_t last_acquired_ns = 0;
  std::uint64_t last_released_ns = 0;
  std::uint64_t first_failed_ns = 0;
  std::uint64_t last_failed_ns = 0;
  // Whose process the mutex's memory named after the last failed try, in the reader's PID namespace; 0: unknown.
  pid_t owner = 0;
  friend bool operator==(const SharedLockUse&, const SharedLockUse&) = default;
};

// One ended wait that lasted at least the threshold.
struct LockEvent {
  enum class Verb : std::uint8_t { acquired, abandoned } verb = Verb::acquired;
  std::uint64_t time_ns = 0;  // when it ended
  std::uint64_t wait_ns = 0;
  std::uint64_t run_queue_ns = 0;  // of these, woken but not yet on a CPU
  pid_t pid = 0;
  pid_t tid = 0;
  pid_t waker_pid = 0;  // who let go, where the kernel saw it; 0: unknown
  pid_t waker_tid = 0;
  ContendedLock lock;
  friend bool operator==(const LockEvent&, const LockEvent&) = default;
};

// What the hooks themselves cost, by the kernel's account (bpf_prog_info); 0 where the kernel keeps none.
struct HookCost {
  std::uint64_t runs = 0;
  std::uint64_t run_ns = 0;
  friend bool operator==(const HookCost&, const HookCost&) = default;
};

// All that was counted from begin_ns to end_ns. Windows follow each other without gap or overlap.
struct ContentionWindow {
  std::uint64_t begin_ns = 0;
  std::uint64_t end_ns = 0;
  std::vector<WordWaits> words;
  std::vector<FirstWait> first_waits;
  std::vector<FileLockUse> file_locks;
  std::vector<FileWrites> writes;
  std::vector<FailedCreate> failed_creates;
  std::vector<SharedLockUse> shared_locks;
  std::vector<LockEvent> events;              // in the order of their end
  std::map<std::string, std::uint64_t> lost;  // by cause
  std::map<std::string, HookCost> hooks;      // by program, since it was loaded
  friend bool operator==(const ContentionWindow&, const ContentionWindow&) = default;
};

}  // namespace lockscope
