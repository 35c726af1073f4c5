// SPDX-License-Identifier: Apache-2.0
// Counts the contended waits and the file-lock operations of the whole host, by the BPF programs of
// bpf/contention_*.bpf.c. A thread that does not wait for a lock pays for the question whether it does, at each context
// switch; a lock that nobody waits for costs nothing. What each hook costs: bpf/README.md.
// Needs CAP_BPF, CAP_PERFMON and kernel BTF; to name other users' mappings also CAP_SYS_PTRACE. Everything it attached
// is gone when it is destroyed, and when its process ends, however it ends. From one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "lockscope/source.h"

namespace lockscope {

struct ContentionSettings {
  std::chrono::nanoseconds min_wait = std::chrono::milliseconds(1);  // waits this long are told one by one
  bool writes = false;          // writes to files on which others hold locks; see FileWrites
  bool failed_creates = false;  // makes every system call of the host dearer
  // Gives every thread of the host its storage ahead, as kernels before 6.4 get it anyway; for tests.
  bool prepare_threads = false;
  bool account = false;  // lets the kernel account for what BPF programs cost: all of them, of everybody
  // Entries of each table; there are two of each kind for the host's own accounts and two for ordinary users. About
  // 500 bytes each in all tables together, taken at the start.
  std::size_t table_entries = 16384;
  std::size_t buffer_bytes = std::size_t{2} << 20;  // of each of two buffers; a power of two, at least a page
};

class BpfContentionSource final : public ContentionSource {
 public:
  // Loads, verifies and attaches: about 60 ms. Error unsupported: neither waits nor file locks can be counted here.
  [[nodiscard]] static Result<std::unique_ptr<BpfContentionSource>> create(const ContentionSettings& settings);
  ~BpfContentionSource() override;

  // Waits until no program fills the tables that it is about to empty: some 10 ms, asleep. The counts of all windows
  // together are exact; what was done within a microsecond of the border may stand in either window.
  [[nodiscard]] Result<ContentionWindow> collect() override;

  struct Hook {
    std::string name;   // of the BPF program, as in ContentionWindow::hooks
    std::string gives;  // what is counted by it
    bool attached = false;
    std::string why_not;  // where it is not
  };
  // Those that were asked for.
  [[nodiscard]] const std::vector<Hook>& hooks() const;

 private:
  struct Parts;
  explicit BpfContentionSource(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace lockscope
