// SPDX-License-Identifier: Apache-2.0
// System calls of x86_64 in which holders of locks are found asleep.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "detect/wording.h"

namespace lockscope {

std::string name_call(std::int64_t number) {
  struct Call {
    std::int64_t number;
    const char* name;
  };
  static constexpr auto calls = std::to_array<Call>({
      {0, "read"},
      {1, "write"},
      {7, "poll"},
      {17, "pread64"},
      {23, "select"},
      {34, "pause"},
      {35, "nanosleep"},
      {42, "connect"},
      {43, "accept"},
      {44, "sendto"},
      {45, "recvfrom"},
      {47, "recvmsg"},
      {61, "wait4"},
      {72, "fcntl"},
      {73, "flock"},
      {74, "fsync"},
      {75, "fdatasync"},
      {128, "rt_sigtimedwait"},
      {130, "rt_sigsuspend"},
      {202, "futex"},
      {230, "clock_nanosleep"},
      {232, "epoll_wait"},
      {247, "waitid"},
      {270, "pselect6"},
      {271, "ppoll"},
      {281, "epoll_pwait"},
      {288, "accept4"},
  });
  const auto found = std::ranges::find(calls, number, &Call::number);
  return found == calls.end() ? fmt::format("system call {}", number) : found->name;
}

}  // namespace lockscope
