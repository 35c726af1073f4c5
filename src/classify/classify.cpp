// SPDX-License-Identifier: Apache-2.0
#include "classify/classify.h"

#include <set>

#include "classify/child_waits.h"
#include "classify/file_lock_waits.h"
#include "classify/futex_call.h"
#include "classify/futex_classifier.h"
#include "classify/likely_readers.h"
#include "classify/owner_resolver.h"
#include "classify/thread_numbers.h"
#include "classify/threads.h"
#include "lockscope/hash.h"

namespace lockscope {
namespace {

enum SystemCall : std::int64_t {
  kPause = 34,
  kWait4 = 61,
  kSemop = 65,
  kFcntl = 72,
  kFlock = 73,
  kSigsuspend = 130,
  kFutex = 202,
  kSemtimedop = 220,
  kWaitid = 247,
  kFutexWaitv = 449,
  kFutexWait = 455,
};

// The same in two looks if the thread did not leave this wait in between: it neither ran nor asked anything else.
std::uint64_t fingerprint(const Thread& t, const RawWait& w) {
  Fnv1a hash;
  hash.add(t.id.tid).add(t.id.start_ns).add(w.syscall).add(w.ip).add(w.sp);
  for (std::uint64_t argument : w.args) hash.add(argument);
  return hash.add(t.voluntary_switches).add(t.involuntary_switches).value();
}

class Classifier {
 public:
  Classifier(RawSample raw, ProcessMemory& memory, const TrustedKinds& trusted) : memory_(memory), trusted_(trusted) {
    sample_.raw = std::move(raw);
    sample_.raw.coverage.threads_waiting = sample_.raw.waits.size();
  }

  Sample run() {
    const ThreadNumbers numbers(sample_.raw.threads);
    sample_.waits.reserve(sample_.raw.waits.size());
    for (const RawWait& raw : sample_.raw.waits) {
      const Thread& thread = sample_.raw.threads[raw.thread];
      if (thread.moved) continue;
      Wait wait;
      wait.thread = raw.thread;
      wait.blocked_ns = thread.blocked_ns;
      wait.fingerprint = fingerprint(thread, raw);
      if (classify_one(raw, thread, numbers, wait)) sample_.waits.push_back(std::move(wait));
    }
    find_inert();
    find_likely_readers(sample_, memory_);
    return std::move(sample_);
  }

 private:
  bool classify_one(const RawWait& raw, const Thread& thread, const ThreadNumbers& numbers, Wait& wait) {
    switch (raw.syscall) {
      case kFutex:
      case kFutexWait:
      case kFutexWaitv: return classify_futex_wait(raw, thread, numbers, wait);
      case kFlock:
      case kFcntl:
        wait.timed = thread.timer_armed;  // the usual way to give these calls a timeout
        if (classify_file_lock_wait(sample_.raw, raw, wait)) return true;
        ++sample_.raw.coverage.lost_events["file lock wait not readable"];
        return false;
      case kWait4:
      case kWaitid: wait.timed = thread.timer_armed; return classify_child_wait(sample_.raw, raw, memory_, wait);
      case kSemop:
      case kSemtimedop:
        wait.kind = LockKind::sysv_sem;
        wait.lock.place = SysvSet{raw.args[0]};
        wait.process_shared = true;
        wait.timed = thread.timer_armed || (raw.syscall == kSemtimedop && raw.args[3] != 0);
        return true;
      default: return false;
    }
  }

  bool classify_futex_wait(const RawWait& raw, const Thread& thread, const ThreadNumbers& numbers, Wait& wait) {
    const auto call = decode_futex_call(raw);
    if (!call) return false;
    const FutexVerdict verdict = classify_futex(raw, thread, numbers, memory_);
    wait.kind = verdict.kind;
    wait.mode = verdict.mode;
    if (verdict.base != 0) wait.address = verdict.base;
    wait.process_shared = verdict.process_shared;
    wait.timed = call->timed;
    wait.deadline_ns = deadline_of(*call, raw, sample_.raw);
    wait.owner_enforced = verdict.owner_enforced;
    wait.owner_transient = verdict.owner_transient || verdict.ending;
    wait.reader_count = verdict.reader_count;
    if (trusted_.cond) wait.needs_mutex = verdict.needs_mutex;
    OwnerResolution resolution;
    if (trusted(verdict.kind)) resolution = resolve_owner(verdict, raw, sample_.raw, numbers, memory_);
    wait.lock = lock_id_of(verdict, resolution, raw, thread);
    wait.obstacles = std::move(resolution.obstacles);
    wait.owner_gone = resolution.owner_gone;
    wait.gone_owner = resolution.gone_owner;
    wait.self = resolution.self;
    return true;
  }

  [[nodiscard]] bool trusted(LockKind kind) const {
    switch (kind) {
      case LockKind::mutex:
      case LockKind::recursive_mutex:
      case LockKind::errorcheck_mutex:
      case LockKind::adaptive_mutex:
      case LockKind::robust_mutex:
      case LockKind::priority_protect_mutex:
      case LockKind::loader: return trusted_.mutex;
      case LockKind::rwlock: return trusted_.rwlock;
      case LockKind::join: return trusted_.join;
      case LockKind::pi_mutex:  // the kernel's own layout
      case LockKind::spin:
      case LockKind::cond:
      case LockKind::sem:
      case LockKind::barrier:
      case LockKind::once:
      case LockKind::stdio:
      case LockKind::libc_internal:
      case LockKind::flock:
      case LockKind::posix:
      case LockKind::ofd:
      case LockKind::sysv_sem:
      case LockKind::child:
      case LockKind::futex: return true;
    }
    return true;
  }

  // pause(2) and sigsuspend(2) return only after a handler has run. In a process without handlers and timers they
  // never do: such a thread will not let go of anything. Asked only of processes that a finding could be about.
  void find_inert() {
    std::set<pid_t> concerned;
    for (const Wait& w : sample_.waits) {
      if (w.obstacles.empty()) continue;
      concerned.insert(sample_.raw.threads[w.thread].pid);
      for (const Obstacle& o : w.obstacles) {
        for (const Releaser& r : o.any_of) concerned.insert(r.pid);
      }
    }
    for (pid_t pid : concerned) {
      std::optional<bool> catches;
      const auto process = threads_of(sample_.raw.threads, pid);
      for (const Thread& t : process) {
        if (t.state != ThreadState::blocked || t.timer_armed || t.compat) continue;
        if (t.syscall != kPause && t.syscall != kSigsuspend) continue;
        if (!catches) catches = memory_.catches_signals(pid);
        if (!*catches) sample_.inert.push_back(static_cast<std::size_t>(&t - sample_.raw.threads.data()));
      }
    }
  }

  ProcessMemory& memory_;
  TrustedKinds trusted_;
  Sample sample_;
};

}  // namespace

Sample classify(RawSample raw, ProcessMemory& memory, const TrustedKinds& trusted) {
  return Classifier(std::move(raw), memory, trusted).run();
}

}  // namespace lockscope
