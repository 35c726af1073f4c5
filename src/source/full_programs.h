// SPDX-License-Identifier: Apache-2.0
// The programs of the full level in the kernel: loaded, put on the functions of chosen processes, told and asked. All
// that lock_tracer.cpp needs of libbpf. Nothing is pinned: closed, or when lockscope ends in whatever way, the code of
// the traced is as it was. From one thread.
// Needs CAP_BPF and CAP_PERFMON. Cost: loading about 150 ms, once; attaching and closing: uprobe_link.h.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lockscope/full_wire.h"
#include "lockscope/result.h"
#include "source/traced_library.h"
#include "source/uprobe_link.h"

namespace lockscope {

class FullPrograms {
 public:
  // Error unsupported: no uprobe_multi links here, or not permitted. Without sessions: as before Linux 6.13, for tests.
  [[nodiscard]] static Result<std::unique_ptr<FullPrograms>> load(bool sessions = true);
  ~FullPrograms();

  // Tells of a library, under a number below LS_FULL_FILES.
  void tell_library(std::size_t number, const TracedLibrary& library);
  // Puts the probes of a library on one process. `file`: an open descriptor of it. Waits for semaphores are a set of
  // their own: a thread that is cancelled in one would not survive its probed return (probe_files.h).
  enum class Set { locks, semaphore_waits };
  [[nodiscard]] Result<std::vector<UprobeLink>> attach(std::size_t number, const TracedLibrary& library, int file,
                                                       pid_t pid, Set set);

  // Begins a new image of this process, by the number that the reader's PID namespace knows it by.
  [[nodiscard]] Result<std::uint32_t> begin_image(pid_t pid, bool from_start, bool stop_at_first_call);
  void end_process(pid_t pid);
  void set_long_hold(std::uint64_t ns);  // 0: none is long. Before anything is attached.

  // A descriptor that is ready to be read when something urgent was told.
  [[nodiscard]] int wake_fd() const;
  // Shows every record since the call before.
  void drain(const std::function<void(std::span<const std::uint8_t>)>& record);
  // What all traced threads hold now: full_wire.h, ls_full_thread_dump.
  [[nodiscard]] Result<std::vector<std::uint8_t>> dump() const;
  [[nodiscard]] Result<std::vector<std::pair<ls_full_use_key, ls_full_use>>> uses() const;
  [[nodiscard]] Result<std::vector<std::pair<std::uint64_t, ls_chain_use>>> chains() const;
  struct Lost {
    std::uint64_t records, uses, acquired, chains, calls, threads, unreadable, deep;
  };
  [[nodiscard]] Lost lost() const;

 private:
  struct Parts;
  explicit FullPrograms(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace lockscope
