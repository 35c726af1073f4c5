// SPDX-License-Identifier: Apache-2.0
// The wait that glibc enters when a PI mutex can never be had: the kernel refused it as a deadlock (EDEADLK: the caller
// owns it, or stands in a cycle of PI mutexes) or its owner is gone (ESRCH). nptl/pthread_mutex_lock.c, "Delay the
// thread indefinitely": a futex wait without timeout on an anonymous zero on the caller's own stack.
//
// The call no longer names the mutex, but the registers that pthread_mutex_lock_full used do: in glibc 2.36 and 2.41
// one still points at its __kind, as nothing else does in practice; in 2.43 two hold its address. Where neither is so,
// or two mutexes come into question, nothing is claimed. glibc 2.31 sleeps in pause() instead.
//
// Costs one read of memory for each saved register that could be the address: at most 40.
#pragma once

#include <optional>

#include "classify/futex_scene.h"

namespace lockscope {

[[nodiscard]] std::optional<FutexVerdict> glibc_pi_delay(const FutexScene& scene);

}  // namespace lockscope
