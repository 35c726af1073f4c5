// SPDX-License-Identifier: Apache-2.0
#include "source/bpf_records.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "lockscope/wire.h"

namespace lockscope {
namespace {

constexpr std::uint32_t kSleeping = 1 | 2;  // TASK_INTERRUPTIBLE, TASK_UNINTERRUPTIBLE
constexpr std::uint32_t kStopped = 4 | 8;   // __TASK_STOPPED, __TASK_TRACED
constexpr std::uint32_t kFrozen = 0x8000;   // TASK_FROZEN, since 6.1
constexpr std::int64_t kFutex = 202;

struct Record {
  ls_thread thread;
  const std::uint8_t* rest;
  std::size_t rest_size;
};

ThreadState state_of(const ls_thread& t) {
  if (t.flags & LS_THREAD_EXITING) return ThreadState::exiting;
  if (t.state & (kStopped | kFrozen)) return ThreadState::stopped;
  if (t.state & kSleeping) return ThreadState::blocked;
  return ThreadState::running;
}

Thread thread_of(const ls_thread& t) {
  Thread out;
  out.id = {static_cast<pid_t>(t.tid), t.start_ns};
  out.pid = static_cast<pid_t>(t.tgid);
  out.parent_pid = static_cast<pid_t>(t.parent_tgid);
  out.ns_tid = static_cast<pid_t>(t.ns_tid);
  out.ns_pid = static_cast<pid_t>(t.ns_tgid);
  out.pid_ns = t.pid_ns;
  out.uid = t.uid;
  out.priority = t.priority;
  out.state = state_of(t);
  if (t.syscall >= 0 && out.state == ThreadState::blocked) out.syscall = t.syscall;
  out.compat = (t.flags & LS_THREAD_COMPAT) != 0;
  out.moved = (t.flags & LS_THREAD_MOVED) != 0;
  out.voluntary_switches = t.voluntary_switches;
  out.involuntary_switches = t.involuntary_switches;
  if (t.flags & LS_THREAD_AGE_KNOWN && out.state == ThreadState::blocked) out.blocked_ns = t.blocked_ns;
  out.address_space = t.address_space;
  out.files = t.files;
  out.timer_armed = (t.flags & LS_THREAD_TIMER_ARMED) != 0;
  out.comm.assign(t.comm, strnlen(t.comm, sizeof t.comm));
  return out;
}

RawWait wait_of(const ls_thread& t, const ls_wait& w, std::span<const std::uint8_t> stack) {
  RawWait out;
  out.syscall = w.flags & LS_WAIT_RESTARTED ? kFutex : t.syscall;
  out.restarted = (w.flags & LS_WAIT_RESTARTED) != 0;
  std::ranges::copy(w.args, out.args.begin());
  out.ip = w.ip;
  out.sp = w.sp;
  out.callee_saved = {w.bp, w.bx, w.r12, w.r13, w.r14, w.r15};
  if (w.flags & LS_WAIT_WINDOW) {
    std::memcpy(out.window.bytes.data(), w.window, sizeof w.window);
    out.window.low = w.window_low;
    out.window.high = w.window_high;
  }
  if (w.flags & LS_WAIT_ARGUMENT) out.argument.assign(w.window, w.window + sizeof w.window);
  if (w.flags & LS_WAIT_FILE) {
    out.file = OpenFile{w.file, {w.file_dev, w.file_ino}, w.file_position, w.file_size};
  }
  constexpr std::uint64_t second = 1'000'000'000;
  if (w.flags & LS_WAIT_TIMEOUT) {
    const bool sane = w.timeout_nsec < second && w.timeout_sec < (std::uint64_t{1} << 33);
    out.timeout_ns = sane ? w.timeout_sec * second + w.timeout_nsec : ~std::uint64_t{0};
  }
  out.libc = w.libc == LS_LIBC_GLIBC ? LibcKind::glibc : w.libc == LS_LIBC_MUSL ? LibcKind::musl : LibcKind::unknown;
  out.pi_owner.tid = static_cast<pid_t>(w.pi_owner_tid);
  out.stack.assign(stack.begin(), stack.end());
  return out;
}

}  // namespace

DecodedThreads decode_threads(std::span<const std::uint8_t> bytes) {
  std::vector<Record> records;
  pid_t reader = 0;
  for (std::size_t at = 0; bytes.size() - at >= sizeof(ls_thread);) {
    Record r{};
    std::memcpy(&r.thread, bytes.data() + at, sizeof r.thread);
    if (r.thread.size < sizeof r.thread || r.thread.size > bytes.size() - at) break;
    r.rest = bytes.data() + at + sizeof r.thread;
    r.rest_size = r.thread.size - sizeof r.thread;
    if (r.thread.flags & LS_THREAD_READER) reader = static_cast<pid_t>(r.thread.tgid);
    records.push_back(r);
    at += r.thread.size;
  }
  std::erase_if(records, [&](const Record& r) {
    return static_cast<pid_t>(r.thread.tgid) == reader || r.thread.tid == 0 || r.thread.tgid == 0;
  });
  std::ranges::sort(records, {}, [](const Record& r) { return std::pair(r.thread.tgid, r.thread.tid); });

  DecodedThreads out;
  out.threads.reserve(records.size());
  std::map<pid_t, std::uint64_t> pi_owners;
  for (const Record& r : records) {
    out.threads.push_back(thread_of(r.thread));
    if (r.thread.flags & LS_THREAD_COMPAT) ++out.coverage.not_understood;
    if (!(r.thread.flags & LS_THREAD_WAITS) || r.rest_size < sizeof(ls_wait)) continue;
    ls_wait w{};
    std::memcpy(&w, r.rest, sizeof w);
    const std::size_t stack_len = std::min<std::size_t>(w.stack_len, r.rest_size - sizeof w);
    out.waits.push_back(wait_of(r.thread, w, {r.rest + sizeof w, stack_len}));
    out.waits.back().thread = out.threads.size() - 1;
    if (w.pi_owner_tid != 0) pi_owners[static_cast<pid_t>(w.pi_owner_tid)];
  }
  // The kernel named PI owners by number; the number alone does not survive reuse.
  if (!pi_owners.empty()) {
    for (const Thread& t : out.threads) {
      if (const auto it = pi_owners.find(t.id.tid); it != pi_owners.end()) it->second = t.id.start_ns;
    }
    for (RawWait& w : out.waits) {
      if (w.pi_owner.tid != 0) w.pi_owner.start_ns = pi_owners[w.pi_owner.tid];
    }
  }
  out.coverage.threads_seen = out.threads.size();
  return out;
}

std::vector<FileLock> decode_file_locks(std::span<const std::uint8_t> bytes, const std::vector<Thread>& threads,
                                        const std::vector<RawWait>& waits) {
  using Key = std::tuple<std::uint8_t, std::uint64_t, FileId, std::uint64_t, std::uint64_t, std::uint8_t>;
  std::map<Key, FileLock> locks;
  struct References {
    std::set<std::pair<std::uint64_t, std::uint32_t>> descriptors;  // (table, fd)
    std::uint64_t counted = 0;
  };
  std::map<std::uint64_t, References> open_files;
  for (std::size_t at = 0; bytes.size() - at >= sizeof(ls_file_lock); at += sizeof(ls_file_lock)) {
    ls_file_lock r{};
    std::memcpy(&r, bytes.data() + at, sizeof r);
    const FileId file{r.dev, r.ino};
    FileLock& lock = locks[{r.kind, r.owner, file, r.start, r.end, r.exclusive}];
    lock.kind = r.kind == LS_FLOCK ? FileLockKind::flock : r.kind == LS_OFD ? FileLockKind::ofd : FileLockKind::posix;
    lock.exclusive = r.exclusive != 0;
    lock.file = file;
    lock.start = r.start;
    lock.end = r.end;
    lock.owner = r.owner;
    lock.locker = static_cast<pid_t>(r.locker_tgid);
    lock.sharers.push_back({static_cast<pid_t>(r.tgid), static_cast<int>(r.fd), r.readonly != 0});
    References& refs = open_files[r.file];
    refs.descriptors.insert({r.files, r.fd});
    refs.counted = std::max<std::uint64_t>(refs.counted, r.file_refs);
  }
  // A system call in a process with several threads holds a reference of its own (fdget() in fs/file.c).
  for (const RawWait& w : waits) {
    if (!w.file) continue;
    const auto it = open_files.find(w.file->identity);
    if (it == open_files.end()) continue;
    const Thread& t = threads[w.thread];
    const auto process = std::ranges::equal_range(threads, t.pid, {}, &Thread::pid);
    if (process.size() > 1 && it->second.counted > 0) --it->second.counted;
  }
  std::vector<FileLock> out;
  out.reserve(locks.size());
  for (auto& [key, lock] : locks) {
    std::ranges::sort(lock.sharers, {}, [](const FileLock::Sharer& s) { return std::pair(s.pid, s.fd); });
    const auto [first, last] = std::ranges::unique(lock.sharers);
    lock.sharers.erase(first, last);
    if (lock.kind != FileLockKind::posix) {
      const References& refs = open_files[lock.owner];
      lock.other_references = refs.counted > refs.descriptors.size();
    }
    out.push_back(std::move(lock));
  }
  return out;
}

}  // namespace lockscope
