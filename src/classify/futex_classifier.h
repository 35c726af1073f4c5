// SPDX-License-Identifier: Apache-2.0
// Which primitive a thread blocked in a futex system call waits on, and whom its memory names as the owner.
//
// Assumes x86_64. Called by classify.cpp for each wait of a look. Costs no system call for most waits: only a join, a
// stream lock and a PI mutex that can never be had read the process's memory.
//
// The procedure: PI futexes are the kernel's own and need no library. For all others the code that made the call
// decides whose rules apply: glibc's, musl's, or none. Where the code is not known (a statically linked program) the
// C library found in the thread's memory decides, and the memory has to convince without a witness; where neither is
// known nothing is claimed. First match wins, the strongest evidence first. No owner is better than a wrong one.
#pragma once

#include "classify/futex_verdict.h"
#include "classify/thread_numbers.h"
#include "lockscope/source.h"

namespace lockscope {

[[nodiscard]] FutexVerdict classify_futex(const RawWait& wait, const Thread& waiter, const ThreadNumbers& threads,
                                          ProcessMemory& memory);

}  // namespace lockscope
