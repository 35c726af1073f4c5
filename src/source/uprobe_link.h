// SPDX-License-Identifier: Apache-2.0
// One uprobe_multi link: a BPF program on many places of one file, in one process. Closed, the code is as it was.
// A raw system call: libbpf has one only since 1.3, and none for sessions before 1.5.
// Needs CAP_BPF and CAP_PERFMON. Used by shared_lock_programs.cpp and full_programs.cpp only. Cost: 3 to 16 ms to attach, 24 to 40 ms to
// close, however many places.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <future>
#include <span>
#include <string>
#include <vector>

#include "lockscope/result.h"
#include "source/unique_fd.h"

namespace lockscope {

class UprobeLink {
 public:
  // Values of enum bpf_attach_type (linux/bpf.h of Linux 6.6 and 6.13): a program is loaded for one of them.
  enum class Kind : std::uint32_t { multi = 48, session = 57 };
  enum class At : std::uint32_t { entry = 0, returning = 1 };  // a session is at both

  struct Place {
    std::string path;  // of the file, as the caller sees it
    std::span<const std::uint64_t> offsets;
    std::span<const std::uint64_t> cookies;  // one each
    pid_t pid = 0;                           // of the process, with all its threads
  };
  // Error: errno says why.
  [[nodiscard]] static Result<UprobeLink> attach(int program, Kind kind, At at, const Place& place);

  // Whether this kernel has such links and filters them by process, not by thread (as Linux 6.6 did at first).
  [[nodiscard]] static bool supported(int program, Kind kind);

 private:
  explicit UprobeLink(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// Closes them in a thread of its own, which takes no signals: those are the main thread's. It waits for the kernel, 40 ms
// and more, which ticks must not do. The future is ready when it is done, and waits for that when it is destroyed.
[[nodiscard]] std::future<void> close_aside(std::vector<UprobeLink> links);

}  // namespace lockscope
