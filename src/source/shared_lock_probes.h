// SPDX-License-Identifier: Apache-2.0
// Counts calls on locks in memory that two domains of trust share (shared_memory_scan.h): semaphores taken, posted and
// tried in vain, mutexes tried in vain. What neither the scheduler nor a look can see: a try that fails does not sleep,
// and a semaphore does not name its owner. By probes on the C library of these processes, and of no others.
//
// Blind spots: locks that are not the C library's; calls before the probes are attached (up to a tick after the memory
// is shared); System V; a child of a probed process until the next look; a mutex's own lock and unlock, which need no
// probe because it names its owner; sem_wait in programs that may cancel threads, whose stacks must stay as they are
// (probe_files.h); processes that call their private locks too often to be made to pay for it.
//
// Owns everything it attaches; nothing is pinned. Closed, it leaves the code of the watched as it was. For the live
// ticks only, from one thread; short-lived threads of its own close what is not wanted any more. Needs CAP_BPF,
// CAP_PERFMON and CAP_SYS_PTRACE.
// Cost to the watched: bpf/README.md; to others none. To the caller: that of the scan, about 10 ms for each process
// attached (at most kAttachAtOnce a tick), 1 us a lock in use.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lockscope/contention.h"
#include "lockscope/raw_sample.h"
#include "lockscope/result.h"

namespace lockscope {

class SharedLockProbes {
 public:
  // Error unsupported: the kernel has no uprobe_multi links, or they are not permitted.
  // Without sessions: as on kernels before 6.13, for tests.
  [[nodiscard]] static Result<std::unique_ptr<SharedLockProbes>> create(bool sessions = true);
  ~SharedLockProbes();

  // Once a tick, after the look: finds who shares memory, attaches to those who are new, lets go of those who ended.
  void update(const RawSample& look);
  // What was counted since the last call is added.
  void collect(std::vector<SharedLockUse>& into, std::map<std::string, std::uint64_t>& lost);

  // Processes that are probed now.
  [[nodiscard]] std::vector<pid_t> probed() const;

  static constexpr std::size_t kMaxTargets = 64;
  static constexpr std::size_t kAttachAtOnce = 4;

 private:
  struct Parts;
  explicit SharedLockProbes(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace lockscope
