// SPDX-License-Identifier: Apache-2.0
#include "detect/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace lockscope {
namespace {

std::string name_range(const Wait& wait) {
  if (wait.range_start == 0 && wait.range_end == ~std::uint64_t{0}) return {};
  if (wait.range_end == ~std::uint64_t{0}) return fmt::format(" from byte {}", wait.range_start);
  return fmt::format(" (bytes {}-{})", wait.range_start, wait.range_end);
}

const Thread* find_thread(const Sample& sample, const ThreadId& id) {
  const auto found = std::ranges::find(sample.raw.threads, id, &Thread::id);
  return found == sample.raw.threads.end() ? nullptr : &*found;
}

}  // namespace

const char* words_for(LockKind kind) {
  switch (kind) {
    case LockKind::mutex: return "mutex";
    case LockKind::recursive_mutex: return "recursive mutex";
    case LockKind::errorcheck_mutex: return "error-checking mutex";
    case LockKind::adaptive_mutex: return "adaptive mutex";
    case LockKind::robust_mutex: return "robust mutex";
    case LockKind::pi_mutex: return "priority-inheritance mutex";
    case LockKind::priority_protect_mutex: return "priority-protect mutex";
    case LockKind::rwlock: return "rwlock";
    case LockKind::spin: return "spin lock";
    case LockKind::cond: return "condition variable";
    case LockKind::sem: return "semaphore";
    case LockKind::barrier: return "barrier";
    case LockKind::once: return "once control";
    case LockKind::join: return "the end of thread";
    case LockKind::stdio: return "stdio lock";
    case LockKind::loader: return "loader lock";
    case LockKind::libc_internal: return "internal lock of libc";
    case LockKind::flock: return "flock";
    case LockKind::posix: return "POSIX lock";
    case LockKind::ofd: return "OFD lock";
    case LockKind::sysv_sem: return "System V semaphore set";
    case LockKind::child: return "the end of process";
    case LockKind::futex: return "futex";
  }
  std::abort();
}

std::string name_thread(const Thread& thread) {
  const std::string name = thread.comm.empty() ? "thread" : thread.comm;
  if (thread.id.tid == thread.pid) return fmt::format("{} ({})", name, thread.pid);
  return fmt::format("{} ({}/{})", name, thread.pid, thread.id.tid);
}

std::string name_process(const Sample& sample, pid_t pid) {
  // Sorted by process, the leader first if it is alive.
  const auto named = std::ranges::lower_bound(sample.raw.threads, pid, {}, &Thread::pid);
  if (named == sample.raw.threads.end() || named->pid != pid || named->comm.empty()) {
    return fmt::format("process {}", pid);
  }
  return fmt::format("{} ({})", named->comm, pid);
}

std::string name_lock(const Sample& sample, const Wait& wait) {
  const std::string kind = words_for(wait.kind);
  if (const auto* end = std::get_if<ThreadEnd>(&wait.lock.place)) {
    const Thread* thread = find_thread(sample, end->thread);
    if (thread == nullptr) return fmt::format("{} {}", kind, end->thread.tid);
    return fmt::format("{} {}", kind,
                       wait.kind == LockKind::child ? name_process(sample, thread->pid) : name_thread(*thread));
  }
  if (const auto* file = std::get_if<FileRange>(&wait.lock.place)) {
    return fmt::format("{} on inode {}{}", kind, file->file.ino, name_range(wait));
  }
  if (const auto* set = std::get_if<SysvSet>(&wait.lock.place)) return fmt::format("{} {}", kind, set->id);
  const std::string scope = wait.process_shared ? "process-shared " : "";
  return wait.address ? fmt::format("{}{} {:#x}", scope, kind, *wait.address) : scope + kind;
}

std::string name_releaser(const Sample& sample, const Releaser& releaser) {
  if (releaser.scope == Releaser::Scope::any_thread_of_process) return name_process(sample, releaser.pid);
  const Thread* thread = find_thread(sample, releaser.thread);
  return thread == nullptr ? fmt::format("thread {}", releaser.thread.tid) : name_thread(*thread);
}

std::string name_state(const Sample& sample, pid_t pid) {
  const auto threads = std::ranges::equal_range(sample.raw.threads, pid, {}, &Thread::pid);
  if (threads.empty()) return "gone";
  if (std::ranges::any_of(threads, [](const Thread& t) { return t.state == ThreadState::running; })) return "running";
  const Thread& leader = threads.front();
  switch (leader.state) {
    case ThreadState::running: return "running";
    case ThreadState::stopped: return "stopped";
    case ThreadState::exiting: return "exiting";
    case ThreadState::blocked: break;
  }
  const auto index = static_cast<std::size_t>(&leader - sample.raw.threads.data());
  const auto wait = std::ranges::lower_bound(sample.waits, index, {}, &Wait::thread);
  if (wait != sample.waits.end() && wait->thread == index) return "waiting for " + name_lock(sample, *wait);
  return leader.syscall ? "sleeping in " + name_call(*leader.syscall) : "sleeping";
}

std::string name_threads(std::uint64_t count) { return fmt::format("{} thread{}", count, count == 1 ? "" : "s"); }

std::string name_duration(std::uint64_t ns) {
  const std::uint64_t ms = ns / 1'000'000;
  if (ms < 1'000) return fmt::format("{} ms", ms);
  const std::uint64_t s = ms / 1'000;
  if (s < 120) return fmt::format("{} s", s);
  if (s < 2 * 3600) return fmt::format("{} min", s / 60);
  if (s < 48 * 3600) return fmt::format("{} h", s / 3600);
  return fmt::format("{} days", s / 86400);
}

std::string name_list(std::span<const std::string> names, std::size_t limit) {
  std::string text;
  const std::size_t shown = names.size() <= limit ? names.size() : limit - 1;
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += names[i];
  }
  if (shown < names.size()) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

std::set<pid_t> processes_of(const Sample& sample, std::span<const std::size_t> waits) {
  std::set<pid_t> processes;
  for (const std::size_t w : waits) processes.insert(sample.raw.threads[sample.waits[w].thread].pid);
  return processes;
}

bool is_file_lock(LockKind kind) { return kind == LockKind::flock || kind == LockKind::posix || kind == LockKind::ofd; }

}  // namespace lockscope
