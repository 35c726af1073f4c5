// SPDX-License-Identifier: Apache-2.0
// What the full level saw in the processes it traced: who took what while holding what, what went wrong, and what each
// place in the code waited and held. Written by src/source/lock_tracer, read by the lock-order graph, the trace
// detectors and the lock profile. Plain values; times are CLOCK_BOOTTIME in nanoseconds; nothing is interpreted.
//
// The kernel counts, and tells only what is new: a chain of locks is reported when a thread first takes it, later ones
// only move its count and its last time. So a trace grows with the program, not with its run time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lockscope/sample.h"

namespace lockscope {

// One program image: a process from an exec (or a fork, or from when it was attached to) to the next exec or its end.
// Addresses mean something within one image only.
using ImageId = std::uint32_t;

struct TracedImage {
  ImageId id = 0;
  pid_t pid = 0;                    // in the reader's PID namespace
  std::optional<ImageId> forked_from = {};
  std::string exe = {};                  // path as the process sees it; raw, may be empty
  bool from_start = false;          // traced since its first instruction: what was not seen did not happen
  std::uint64_t began_ns = 0;       // when it was first traced
  friend bool operator==(const TracedImage&, const TracedImage&) = default;
};

struct TracedLock {
  ImageId image = 0;
  std::uint64_t address = 0;
  friend auto operator<=>(const TracedLock&, const TracedLock&) = default;
};

struct TracedThread {
  pid_t pid = 0;
  pid_t tid = 0;
  std::uint64_t start_ns = 0;              // with tid: identity
  std::optional<std::uint64_t> ended_ns = {};  // unset: lives, or its end was not seen
  std::string comm = {};                        // raw
  std::optional<std::size_t> creator = {};  // index into LockTrace::threads; at start_ns; unset: unknown
  std::uint64_t waits = 0;                 // for locks
  std::uint64_t waited_ns = 0;
  friend bool operator==(const TracedThread&, const TracedThread&) = default;
};

// How a lock was, or was to be, taken.
enum class TakenBy { waiting, trying, timed, after_condition_wait };

struct Acquisition {
  TracedLock lock = {};
  LockKind kind = LockKind::mutex;
  Mode mode = Mode::exclusive;
  TakenBy by = TakenBy::waiting;
  std::uint64_t site = 0;    // return address of the call, in the caller's code
  std::uint64_t since_ns = 0;  // when it was taken; of `wanted`: when it was asked for
  friend bool operator==(const Acquisition&, const Acquisition&) = default;
};

// One thread asks for a lock, and may wait, while it holds others. Tries and timed calls make no chain.
struct LockChain {
  ImageId image = 0;
  std::size_t thread = 0;         // index into LockTrace::threads
  std::vector<Acquisition> held = {};  // the earliest first; never empty; a recursive lock once
  Acquisition wanted = {};
  bool truncated = false;         // more were held than are listed: these are the latest
  std::uint64_t first_ns = 0;     // both are times of real occurrences
  std::uint64_t last_ns = 0;
  std::uint64_t count = 1;
};

enum class MisuseKind {
  unlock_not_locked,      // nobody held it
  double_unlock,          // nobody held it, and the same thread had let go of it before
  unlock_not_owner,       // somebody else held it
  relock,                 // asked, able to wait, for a lock that it held itself and that cannot be taken twice
  destroyed_while_locked,
  exit_while_holding,     // a thread ended, its process did not
  ignored_lock_failure,   // the last call for this lock had failed, and then it was used as if it were held
};

struct LockMisuse {
  MisuseKind kind = MisuseKind::unlock_not_locked;
  std::size_t thread = 0;  // index into LockTrace::threads: who did it
  TracedLock lock = {};
  LockKind lock_kind = LockKind::mutex;
  bool robust = false;
  Mode mode = Mode::exclusive;
  std::uint64_t site = 0;     // of the call; 0: no call (a thread that ended)
  std::uint64_t time_ns = 0;
  std::uint64_t count = 1;    // the same thing at the same site, by any thread of the image
  std::optional<int> error = {};   // relock: what the call returned; ignored_lock_failure: the error that was ignored
  // relock, exit_while_holding: where and when it had been taken. ignored_lock_failure: where and when it had failed.
  // double_unlock: when it had been let go of.
  std::optional<std::uint64_t> earlier_site = {};
  std::optional<std::uint64_t> earlier_ns = {};
  std::optional<pid_t> owner = {};  // unlock_not_owner, destroyed_while_locked: who held it, as thread number of the reader's
  std::string owner_comm = {};      // raw; empty: unknown
  // relock of a kind that does not forbid it by an error: the call is still waiting, at the end of the trace too.
  bool still_waiting = false;
};

// A lock held for as long as the threshold or longer; reported when it is let go of.
struct LongHold {
  std::size_t thread = 0;
  TracedLock lock = {};
  LockKind kind = LockKind::mutex;
  Mode mode = Mode::exclusive;
  std::uint64_t taken_site = 0;
  std::uint64_t since_ns = 0;
  std::uint64_t held_ns = 0;
  bool waiters = false;  // somebody waited for it when it was let go
};

// Log2 buckets of nanoseconds: bucket i counts values in [2^i, 2^(i+1)); the last also all above.
inline constexpr std::size_t kTraceBuckets = 40;
struct Durations {
  std::uint64_t count = 0;
  std::uint64_t total_ns = 0;
  std::uint64_t longest_ns = 0;
  std::array<std::uint64_t, kTraceBuckets> histogram{};
};

// What happened to one lock from one place in the code.
struct SiteUse {
  TracedLock lock = {};
  std::uint64_t site = 0;  // where it was taken
  LockKind kind = LockKind::mutex;
  Mode mode = Mode::exclusive;
  std::uint64_t acquired = 0;   // recursion and retaking after a condition wait included
  std::uint64_t contended = 0;  // of these, had to wait
  std::uint64_t failed = 0;     // tries and timed calls that did not get it
  Durations wait = {};               // of contended acquisitions
  Durations hold = {};               // of what was let go of
};

// The beginning or the end of a lock's life at an address: init and destroy calls. Locks without either (a static
// initializer, std::mutex) have none.
struct LockLife {
  TracedLock lock = {};
  std::uint64_t time_ns = 0;
  bool begins = false;     // init; otherwise destroy
  std::uint64_t site = 0;
};

// A barrier was passed by one thread. Sorted by time.
struct BarrierPass {
  TracedLock barrier = {};
  std::size_t thread = 0;
  std::uint64_t arrived_ns = 0;
  std::uint64_t left_ns = 0;
};

// A thread returned from joining another. What the joined did was before what the joiner did from here on.
struct ThreadJoin {
  std::size_t joiner = 0;  // index into LockTrace::threads
  std::size_t joined = 0;
  std::uint64_t time_ns = 0;  // at the latest: of the joiner's next lock call
};

// One file mapped as code or data by an image. A path is as the process sees it: raw, only a name.
struct TracedModule {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;  // in the file, of `start`
  std::string path = {};
  FileId file = {};
  bool executable = false;
  int fd = -1;  // of the file, for reading; belongs to the tracer and is valid as long as it; -1: could not be opened
};

struct LockTrace {
  std::uint64_t began_ns = 0;
  std::uint64_t ended_ns = 0;
  std::vector<TracedImage> images = {};    // by id
  std::map<ImageId, std::vector<TracedModule>> modules;  // by start; as of when they were last read
  std::vector<TracedThread> threads = {};
  std::vector<LockChain> chains = {};      // in the order of first occurrence
  std::vector<LockMisuse> misuses = {};    // likewise
  std::vector<LongHold> long_holds = {};
  std::vector<SiteUse> uses = {};          // by lock, site
  std::vector<LockLife> lives = {};        // by time
  std::vector<BarrierPass> barriers = {};
  std::vector<ThreadJoin> joins = {};  // by time
  std::map<std::string, std::uint64_t> lost;  // by cause; empty: nothing
};

// Where an address of an image lies in the code. What is not known is empty.
struct CodePoint {
  std::uint64_t address = 0;
  std::string module = {};       // path of the file, as the process sees it
  std::string function = {};     // demangled
  std::uint64_t offset = 0; // in the function; without one, in the file
  std::string file = {};         // source
  std::uint32_t line = 0;
};

// A group of locks that follow the same rules: those of one static symbol, one init site, or one first-acquire site.
struct LockClass {
  enum class By { symbol, init_site, acquire_site } by = By::acquire_site;
  std::string name = {};  // "libfoo.so:g_cache_lock", "libfoo.so:cache_create+0x1c"; stable across restarts
};

// Names what a trace holds as numbers. Implemented over the ELF files of the traced (src/symbols); by a table in
// tests. Called after the trace was taken, from one thread; results are cached.
class TraceNames {
 public:
  virtual ~TraceNames() = default;
  [[nodiscard]] virtual const CodePoint& code(ImageId image, std::uint64_t site) = 0;
  [[nodiscard]] virtual const LockClass& lock_class(const TracedLock& lock) = 0;
};

}  // namespace lockscope
