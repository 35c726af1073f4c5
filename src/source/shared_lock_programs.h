// SPDX-License-Identifier: Apache-2.0
// The BPF side of shared_lock_probes: its programs, the tables that they read and write, and attaching them. Targets
// are numbers below LS_SHARED_TARGETS; whose they are is the caller's matter. Owns the programs; links are the
// caller's. For shared_lock_probes.cpp only. Cost: 10 ms to load; counts 1 us an entry.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "lockscope/result.h"
#include "lockscope/wire.h"
#include "source/probe_files.h"
#include "source/shared_memory_scan.h"
#include "source/uprobe_link.h"

namespace lockscope {

class SharedLockPrograms {
 public:
  // Sessions where the kernel has them, unless they are not wanted.
  [[nodiscard]] static Result<std::unique_ptr<SharedLockPrograms>> create(bool sessions);
  ~SharedLockPrograms();

  // Which addresses count. False: there are too many ranges, the first ones count.
  bool tell(std::size_t number, const std::vector<SharedRange>& ranges, const std::vector<FileSpan>& bodies);
  // `waits`: whether sem_wait and its kin too. After an error nothing is attached.
  [[nodiscard]] Result<std::vector<UprobeLink>> attach(std::size_t number, const std::vector<ProbeFile>& files,
                                                       pid_t pid, bool waits);

  using Counted = std::vector<std::pair<ls_shared_key, ls_shared_use>>;
  // Of all targets, since they were forgotten. Error: what was read is not all.
  [[nodiscard]] Result<Counted> counts() const;
  // Calls of the target on other locks, since it was forgotten.
  [[nodiscard]] std::uint64_t private_calls(std::size_t number) const;
  // The number is free for another target. No probe of it may run any more.
  void forget(const Counted& counted, std::size_t number);

  [[nodiscard]] bool by_session() const { return kind_ == UprobeLink::Kind::session; }
  void begin_window();
  struct Lost {
    std::uint64_t uses = 0;   // calls on more locks than are kept
    std::uint64_t calls = 0;  // calls inside more calls than are kept
  };
  [[nodiscard]] Lost lost() const;  // since the start

 private:
  struct Skeleton;
  explicit SharedLockPrograms(std::unique_ptr<Skeleton> skeleton);
  std::unique_ptr<Skeleton> skeleton_;
  UprobeLink::Kind kind_ = UprobeLink::Kind::session;
};

}  // namespace lockscope
