// SPDX-License-Identifier: Apache-2.0
// A finished look, described in full and detached from the host: what exporters see. Plain values, safe to keep.
// Everything absent is unknown; nothing is a made-up zero. Strings are raw: exporters escape them for their medium.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lockscope/finding.h"

namespace lockscope {

struct ThreadDescription {
  pid_t pid = 0;
  pid_t tid = 0;
  std::string comm;
  std::optional<std::string> exe;
  std::optional<std::uint32_t> uid;
  std::optional<std::string> user;
  std::optional<std::string> cgroup;
  std::optional<std::string> unit;
  std::optional<std::string> container;
  std::uint64_t start_ns = 0;  // boot time
};

// A place in code. What is not known is absent.
struct FrameDescription {
  std::optional<std::uint64_t> address;
  std::optional<std::string> function;
  std::optional<std::string> module;
  std::optional<std::uint64_t> offset;  // in the function; without one, in the module's file
  std::optional<std::string> file;
  std::optional<std::uint32_t> line;
};

struct LockDescription {
  LockKind kind = LockKind::futex;
  enum class Scope { process_private, process_shared, file } scope = Scope::process_private;
  std::optional<std::uint64_t> address;  // in the waiter's address space
  std::optional<std::string> path;
  std::optional<FileId> file;
  std::optional<std::uint64_t> offset;  // of a shared lock in its file
  struct Range {
    std::uint64_t start = 0;
    std::optional<std::uint64_t> end;
  };  // no end: to the end of the file
  std::optional<Range> range;
  std::optional<std::uint32_t> reader_count;
  std::optional<std::uint64_t> mutex_address;  // condition wait: the mutex it takes again
  std::optional<std::string> class_name;       // of the locks that follow the same rules as this one
};

struct HolderDescription {
  std::optional<ThreadDescription> thread;  // absent: gone; then gone_tid may say who it was
  std::optional<pid_t> gone_tid;            // in the waiter's PID namespace
  bool any_thread = false;                  // any thread of this process can let go
  Evidence evidence = Evidence::unknown;
  enum class State { running, sleeping, blocked, gone } state = State::sleeping;  // blocked: itself waits for a lock
};

struct WaitDescription {
  ThreadDescription thread;
  LockDescription lock;
  Mode mode = Mode::exclusive;
  std::vector<HolderDescription> holders;
  std::optional<std::uint64_t> age_ns;
  bool timed = false;
};

struct FailingDescription {
  ThreadDescription process;  // tid is its pid
  std::uint64_t tries = 0;
  std::optional<std::chrono::system_clock::time_point> first;
  std::optional<std::chrono::system_clock::time_point> last;
};

// One call, or the end of a thread, that a finding of the full level is about. In the order in which they happened.
struct LockEventDescription {
  std::string verb;  // acquired, released, failed, contended, destroyed, exited: what the call did, or tried
  ThreadDescription thread;
  std::optional<LockDescription> lock;
  std::optional<FrameDescription> site;
  std::optional<std::chrono::system_clock::time_point> time;
  std::optional<std::string> error;  // "EBUSY"
};

// A thread took one lock, then asked for another while it held the first.
struct LockOrderDescription {
  ThreadDescription thread;
  LockDescription held;
  LockDescription wanted;
  FrameDescription held_site;
  FrameDescription wanted_site;
  std::uint64_t count = 0;  // how often this thread did
};

struct FindingDescription {
  std::string kind;
  int cwe = 0;
  Severity severity = Severity::warning;
  Confidence confidence = Confidence::confirmed;
  std::string fingerprint;
  std::optional<std::chrono::system_clock::time_point> first_seen;
  std::optional<std::uint64_t> age_ns;
  std::string summary;
  std::string hint;
  std::vector<WaitDescription> cycle;
  std::vector<WaitDescription> victims;
  std::optional<LockDescription> lock;
  std::vector<HolderDescription> holders;
  std::vector<WaitDescription> waiters;
  std::vector<FailingDescription> failing;
  std::optional<bool> standing;  // over a window: whether it still held at its end
  std::vector<LockOrderDescription> orders;
  std::vector<LockEventDescription> events;
  std::vector<std::pair<std::string, Fact>> evidence;
};

// One lock that was contended while lockscope watched.
struct LockContention {
  LockDescription lock;
  std::optional<ThreadDescription> process;  // of a private lock: whose it is
  WaitCounts waits;
  std::optional<std::string> longest_waiter;  // comm, raw
  // File locks only.
  struct Operations {
    std::uint64_t granted = 0;
    std::uint64_t failed = 0;
    std::uint64_t released = 0;
    std::uint64_t processes = 0;
  };
  std::optional<Operations> operations;
};

struct ContentionDescription {
  std::chrono::nanoseconds window{};
  std::vector<LockContention> locks;  // by total wait, the longest first
  std::size_t locks_hidden = 0;       // contended less than those shown
  std::uint64_t waits = 0;            // of all locks
  std::uint64_t wait_ns = 0;
  std::uint64_t file_lock_operations = 0;
  std::map<std::string, HookCost> hooks;
};

// What the locks of one class cost while they were traced.
struct LockProfileEntry {
  std::string class_name;
  LockKind kind = LockKind::mutex;
  std::uint64_t instances = 0;
  std::uint64_t acquired = 0;
  std::uint64_t contended = 0;
  std::uint64_t failed = 0;
  struct Times {
    std::uint64_t count = 0;
    std::uint64_t total_ns = 0;
    std::uint64_t mean_ns = 0;
    std::uint64_t p50_ns = 0;  // upper edges of histogram buckets, at most the longest
    std::uint64_t p99_ns = 0;
    std::uint64_t max_ns = 0;
  };
  Times wait;  // of contended acquisitions
  Times hold;
  struct Site {
    FrameDescription site;
    std::uint64_t acquired = 0;
    std::uint64_t contended = 0;
    Times wait;
    Times hold;
  };
  std::vector<Site> holders;  // the places that hold longest in all, the longest first
  std::vector<Site> waiters;  // the places that wait longest in all
};

struct ProfileDescription {
  std::chrono::nanoseconds duration{};
  std::vector<LockProfileEntry> locks;  // by total wait, then by total hold
  std::size_t locks_hidden = 0;         // classes left out
  std::uint64_t acquired = 0;           // of all
  std::uint64_t contended = 0;
  struct Waiter {
    ThreadDescription thread;
    std::uint64_t waits = 0;
    std::uint64_t waited_ns = 0;
  };
  std::vector<Waiter> waiters;  // the threads that waited longest in all
};

// The command that `run` ran.
struct CommandDescription {
  std::vector<std::string> arguments;
  std::optional<int> exit_status;
  std::optional<int> signal;
};

struct HostDescription {
  std::string name;
  std::string kernel;
  std::string boot_id;
};

struct Report {
  HostDescription host;
  std::chrono::system_clock::time_point taken{};
  std::chrono::nanoseconds duration{};
  std::optional<std::uint64_t> realtime_offset_ns;  // time of day minus boot time, at the look
  std::string level = "sample";
  std::string source;
  Coverage coverage;
  std::vector<FindingDescription> findings;
  std::size_t findings_suppressed = 0;  // left out, because they are known and wanted
  std::optional<ContentionDescription> contention;
  std::optional<ProfileDescription> profile;
  std::optional<CommandDescription> command;
  std::vector<WaitDescription> waits;
  std::size_t waits_hidden = 0;  // idle waits left out (shown with --all)
  std::map<LockKind, std::size_t> hidden_by_kind;
  std::vector<std::string> notes;  // what limits this report: "without BPF", "not all processes in sight"
};

}  // namespace lockscope
