// SPDX-License-Identifier: Apache-2.0
// Looks taken by the BPF iterators of bpf/: every blocked thread of the host with its registers and lock memory in one
// pass, and, where somebody waits for a file lock, every holder of one. Attaches nothing to anybody.
// Needs CAP_BPF, CAP_PERFMON and kernel BTF; to name other users' mappings also CAP_SYS_PTRACE.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "lockscope/source.h"
#include "source/live_memory.h"

namespace lockscope {

class BpfSource final : public Source {
 public:
  // Loads and verifies the programs: about 20 ms. Error unsupported: says which capability or kernel feature is
  // missing.
  [[nodiscard]] static Result<std::unique_ptr<BpfSource>> create();
  ~BpfSource() override;

  // About 3 us a thread. Threads of the calling process are left out.
  [[nodiscard]] Result<RawSample> sample() override;
  void want_file_locks(bool wanted) override;
  [[nodiscard]] LiveMemory& memory() override;

  // Why file locks cannot be read by BPF on this kernel; absent: they can. They are then left unknown.
  [[nodiscard]] const std::optional<Error>& file_locks_error() const;

  // The kernel's clock says that these passes cost so much: for the benchmark and the self-watch of a daemon.
  struct Cost {
    std::uint64_t threads_pass_ns = 0;
    std::uint64_t file_locks_pass_ns = 0;
  };
  [[nodiscard]] Cost last_cost() const;

 private:
  struct Parts;
  explicit BpfSource(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace lockscope
