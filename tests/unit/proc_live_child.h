// SPDX-License-Identifier: Apache-2.0
// A child process that hangs on purpose, for the tests that look at a live one. Dies with the test; one page is shared
// with it, for what only the child knows (addresses, thread numbers).
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>

#include "source/proc_source.h"

namespace lockscope {

struct Board {
  std::atomic<std::uint64_t> word;
  std::atomic<int> number;
};

class LiveChild {
 public:
  explicit LiveChild(const std::function<void(Board&)>& body)
      : board_(static_cast<Board*>(
            ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) std::_Exit(0);
    body(*board_);
    for (;;) ::pause();
  }
  LiveChild(const LiveChild&) = delete;
  LiveChild& operator=(const LiveChild&) = delete;
  ~LiveChild() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::munmap(board_, sizeof(Board));
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const Board& board() const { return *board_; }

 private:
  Board* board_;
  pid_t pid_ = -1;
};

// Looks again and again until the look is as wanted: the children need time to get there. Nothing: a minute has passed.
inline std::optional<RawSample> look_until(ProcSource& source, const std::function<bool(const RawSample&)>& wanted) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < deadline) {
    auto sample = source.sample();
    if (sample && wanted(*sample)) return *std::move(sample);
    ::sched_yield();
  }
  return std::nullopt;
}

}  // namespace lockscope
