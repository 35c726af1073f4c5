// SPDX-License-Identifier: Apache-2.0
// Look-ups in the sorted thread table of a look. Views only; valid as long as the table.
#pragma once

#include <algorithm>
#include <span>

#include "lockscope/raw_sample.h"
#include "lockscope/sample.h"

namespace lockscope {

// All threads of a process: contiguous, because the table is sorted by (pid, tid). Empty: no such process.
[[nodiscard]] inline std::span<const Thread> threads_of(const std::vector<Thread>& threads, pid_t pid) {
  auto [first, last] = std::ranges::equal_range(threads, pid, {}, &Thread::pid);
  return {first, last};
}

// The process as somebody who can let go, by any of its threads. Named by its leader where that is alive.
[[nodiscard]] inline Releaser any_thread_of(std::span<const Thread> process) {
  const auto leader = std::ranges::find_if(process, [](const Thread& t) { return t.id.tid == t.pid; });
  const Thread& name = leader == process.end() ? process.front() : *leader;
  return {Releaser::Scope::any_thread_of_process, name.pid, name.id};
}

[[nodiscard]] inline Releaser only(const Thread& thread) { return {Releaser::Scope::thread, thread.pid, thread.id}; }

}  // namespace lockscope
