// SPDX-License-Identifier: Apache-2.0
// What the director sees of its troupe in /proc: numbers on the host, and which system call a thread sleeps in.
// For the director only; every call reads /proc anew.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace puppet {

struct Member {
  pid_t pid = 0;     // in the director's namespace
  pid_t ns_pid = 0;  // in its own
  int depth = 0;     // namespaces below the director's
};

// All processes below the director.
[[nodiscard]] std::vector<Member> descendants();

// The thread of process `pid` that has this number in its own namespace, in the director's numbering; 0: none.
[[nodiscard]] pid_t find_thread(pid_t pid, pid_t ns_tid);

struct SleepingCall {
  std::int64_t number = -1;
  std::uint64_t first_argument = 0;
};

// Nothing where the thread runs, is gone or is not inside a system call.
[[nodiscard]] std::optional<SleepingCall> sleeping_call(pid_t pid, pid_t tid);

// The state letter of /proc/PID/stat; 0: gone.
[[nodiscard]] char process_state(pid_t pid);

}  // namespace puppet
