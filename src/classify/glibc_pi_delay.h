// SPDX-License-Identifier: Apache-2.0
// The wait that glibc enters when a PI mutex can never be had: the kernel refused it as a deadlock (EDEADLK: the caller
// owns it, or stands in a cycle of PI mutexes) or its owner is gone (ESRCH). nptl/pthread_mutex_lock.c, "Delay the
// thread indefinitely": a futex wait without timeout on an anonymous zero on the caller's own stack.
//
// The call no longer names the mutex, but a register that the frames below must preserve still points at its __kind,
// because pthread_mutex_lock_full keeps that address; so does nothing else in practice. Seen in glibc 2.36; where it is
// kept otherwise, or where two mutexes come into question, nothing is claimed. glibc 2.31 sleeps in pause() instead.
//
// Costs one read of memory for each saved register that could be the address: at most 40.
#pragma once

#include <optional>

#include "classify/futex_scene.h"

namespace lockscope {

[[nodiscard]] std::optional<FutexVerdict> glibc_pi_delay(const FutexScene& scene);

}  // namespace lockscope
