// SPDX-License-Identifier: Apache-2.0
// The look without BPF: the same record from /proc alone, without root for one's own processes. Called by the pipeline.
//
// What it cannot do as the BPF source does:
// - the host does not stand still: threads are read one after another, about 40 us each;
// - a thread that may not be traced (another user's; Yama's ptrace_scope 1 without CAP_SYS_PTRACE) has no wait: it is
//   there with readable=false and counted;
// - start times are exact to the clock tick (10 ms) only; how long a thread has waited is not known;
// - interval timers do not show: a handler for their signals counts as an armed one;
// - the callee-saved registers and the kernel's owner of a PI lock are absent; which libc, by the libraries mapped;
// - address_space and files are process numbers: of the parent where kcmp(2) says that they are shared with it;
// - a 32-bit process is told by its executable; a 64-bit one that makes 32-bit system calls is not.
#pragma once

#include <memory>

#include "lockscope/source.h"
#include "source/code_modules.h"
#include "source/live_memory.h"
#include "source/proc_files.h"
#include "source/proc_waits.h"
#include "source/unique_fd.h"

namespace lockscope {

class ProcSource final : public Source {
 public:
  // `only`: processes to look at; none: all. Fails where /proc is missing or is another PID namespace's.
  [[nodiscard]] static Result<std::unique_ptr<ProcSource>> open(std::vector<pid_t> only = {});

  [[nodiscard]] Result<RawSample> sample() override;
  void want_file_locks(bool wanted) override { file_locks_wanted_ = wanted; }
  [[nodiscard]] LiveMemory& memory() override { return memory_; }

 private:
  ProcSource(UniqueFd proc, std::vector<pid_t> only);

  // What the threads of a process have in common, read once.
  struct Process {
    pid_t pid = 0;
    std::uint32_t pid_ns = 0;
    std::uint64_t address_space = 0;
    std::uint64_t files = 0;
    bool readable = false;
    bool compat = false;
    std::optional<bool> timer_armed;  // asked for where a thread waits
  };
  [[nodiscard]] Process open_process(pid_t pid) const;
  void read_process(pid_t pid, RawSample& sample);
  [[nodiscard]] bool read_thread(Process& process, pid_t tid, int tasks, RawSample& sample);
  void read_blocked(Process& process, Thread& thread, int tasks, std::uint64_t caught, RawSample& sample);
  [[nodiscard]] std::optional<SyscallFields> read_syscall(const UniqueFd& file);
  [[nodiscard]] bool has_timer(const Process& process, std::uint64_t signals_caught);
  void drop_moved_file_waits(RawSample& sample);

  UniqueFd proc_;
  std::vector<pid_t> only_;
  FileReader reader_;
  LiveMemory memory_;
  CodeModules modules_;
  WaitReader waits_;
  bool file_locks_wanted_ = false;
  bool initial_namespace_ = false;
  bool hidden_processes_ = false;  // /proc is mounted with hidepid
};

}  // namespace lockscope
