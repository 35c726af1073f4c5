// SPDX-License-Identifier: Apache-2.0
#include "classify/child_waits.h"

#include <sys/wait.h>

#include "classify/threads.h"

namespace lockscope {
namespace {

constexpr std::int64_t kWait4 = 61;
constexpr std::uint64_t kPidfd = 3;  // P_PIDFD

// The child that the caller's number means, in the reader's numbers; 0: not found.
pid_t find_child(const RawSample& raw, const Thread& parent, pid_t number, ProcessMemory& memory) {
  for (std::size_t i = 0; i < raw.threads.size(); ++i) {
    const Thread& t = raw.threads[i];
    if (t.parent_pid != parent.pid || (i > 0 && raw.threads[i - 1].pid == t.pid)) continue;
    const pid_t seen_as = t.pid_ns == parent.pid_ns ? t.ns_pid : memory.number_in_namespace_of(parent.pid, t.pid);
    if (seen_as == number) return t.pid;
  }
  return 0;
}

}  // namespace

bool classify_child_wait(const RawSample& raw, const RawWait& wait, ProcessMemory& memory, Wait& out) {
  const Thread& parent = raw.threads[wait.thread];
  pid_t child = 0;
  if (wait.syscall == kWait4) {
    const auto number = static_cast<pid_t>(wait.args[0]);
    if (number <= 0) return false;  // any child, or any of a process group
    child = find_child(raw, parent, number, memory);
  } else if (wait.args[0] == P_PID) {
    child = find_child(raw, parent, static_cast<pid_t>(wait.args[1]), memory);
  } else if (wait.args[0] == kPidfd) {
    child = memory.process_of_pidfd(parent.pid, static_cast<int>(wait.args[1]));
  } else {
    return false;
  }
  // A child that only has to stop or continue is no wait for its end.
  const std::uint64_t options = wait.syscall == kWait4 ? wait.args[2] : wait.args[3];
  const bool waits_for_end = wait.syscall == kWait4 ? (options & (WUNTRACED | WCONTINUED)) == 0
                                                    : (options & (WEXITED | WSTOPPED | WCONTINUED)) == WEXITED;
  const auto process = threads_of(raw.threads, child);
  if (child == 0 || process.empty()) return false;

  const Releaser end = any_thread_of(process);
  out.kind = LockKind::child;
  out.lock.place = ThreadEnd{end.thread};
  out.process_shared = true;
  out.obstacles.push_back(
      {.any_of = {end}, .known = waits_for_end, .candidates = false, .likely = {}, .evidence = Evidence::kernel});
  return true;
}

}  // namespace lockscope
