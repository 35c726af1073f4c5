// SPDX-License-Identifier: Apache-2.0
// ProcessMemory of this host, as of now. For the sources and the self-test, from one thread.
// Needs the right to trace the process: its own user's, within the limits of Yama, or CAP_SYS_PTRACE.
// Cost: a read 1 us; maps() reads the maps of a process once a look; the rest a file of /proc each.
#pragma once

#include <map>
#include <optional>
#include <span>

#include "lockscope/source.h"
#include "source/memory_log.h"
#include "source/proc_files.h"
#include "source/proc_maps.h"

namespace lockscope {

// Memory of another process: all of out or nothing. By process_vm_readv, or /proc/PID/mem where that is refused.
// `proc` is a descriptor of /proc.
[[nodiscard]] bool read_process_memory(int proc, pid_t pid, std::uint64_t address, std::span<std::uint8_t> out);

class LiveMemory final : public ProcessMemory {
 public:
  explicit LiveMemory(int proc) : proc_(proc) {}

  // Once before each look: forgets maps, and starts the log anew.
  void begin_look();
  // From now on, what is asked is kept for log().
  void keep_log() { logging_ = true; }
  [[nodiscard]] const MemoryLog& log() const { return log_; }

  [[nodiscard]] bool read(pid_t pid, std::uint64_t address, std::span<std::uint8_t> out) override;
  [[nodiscard]] Mapping maps(pid_t pid, const SharedPlace& place) override;
  [[nodiscard]] pid_t number_in_namespace_of(pid_t observer, pid_t pid) override;
  [[nodiscard]] pid_t process_of_pidfd(pid_t pid, int fd) override;
  [[nodiscard]] bool catches_signals(pid_t pid) override;

 private:
  [[nodiscard]] Mapping find_mapping(pid_t pid, const SharedPlace& place);
  [[nodiscard]] pid_t find_number(pid_t observer, pid_t pid);
  [[nodiscard]] std::optional<StatusFields> status_of(pid_t pid);

  int proc_;
  FileReader reader_;
  // Shared mappings of files, by process; nothing: could not be read. Bounded by the processes that share locks.
  std::map<pid_t, std::optional<std::vector<MappedRange>>> shared_mappings_;
  bool logging_ = false;
  MemoryLog log_;
};

}  // namespace lockscope
