// SPDX-License-Identifier: Apache-2.0
// From the number in a lock's memory to the threads that can end the wait. An owner is believed only if it can be: a
// live thread of the same memory for a private lock; for a shared one the only thread of that number, in whatever PID
// namespace, whose process maps the lock; and no thread that started after the wait did.
//
// Called by classify.cpp for each futex wait of a look. No system call for private locks; for shared ones the maps of
// the processes in question, which ProcessMemory reads once a look.
#pragma once

#include <optional>
#include <vector>

#include "classify/futex_verdict.h"
#include "classify/thread_numbers.h"
#include "lockscope/source.h"

namespace lockscope {

struct OwnerResolution {
  std::vector<Obstacle> obstacles;  // empty: nobody known
  OwnerGone owner_gone = OwnerGone::no;
  std::optional<pid_t> gone_owner;  // the number as the memory names it
  bool self = false;                // the waiter is the owner
};

// `threads` is over sample.threads.
[[nodiscard]] OwnerResolution resolve_owner(const FutexVerdict& verdict, const RawWait& wait, const RawSample& sample,
                                            const ThreadNumbers& threads, ProcessMemory& memory);

// Which lock it is: the same in all processes that share it, whatever its address in each.
[[nodiscard]] LockId lock_id_of(const FutexVerdict& verdict, const OwnerResolution& resolution, const RawWait& wait,
                                const Thread& waiter);

}  // namespace lockscope
