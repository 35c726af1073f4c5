// SPDX-License-Identifier: Apache-2.0
// What glibc keeps of a thread (struct pthread), and the two waits that lead through it: pthread_join, and the locks
// that name their owner by the address of that structure (FILE, and libc's own recursive locks).
//
// struct pthread, x86_64 (nptl/descr.h, sysdeps/x86_64/nptl/tls.h): +0 tcb and +16 self, both its own address;
// +720 tid, in glibc 2.31 to 2.43; +1576 joinstate, from 2.43. The self-pointers prove the place.
// pthread_join waits with a shared futex, because the kernel clears the word at the end of the thread: up to 2.42 on
// tid, expecting it (nptl/pthread_join_common.c); from 2.43 on joinstate, expecting 2 joinable or 1 exiting.
//
// _IO_lock_t and __libc_lock_recursive_t (sysdeps/nptl/stdio-lock.h, libc-lockP.h):
//   0 lock: 0 free, 1 held, 2 awaited   4 recursion   8 owner, a struct pthread*
//
// Each look-up reads the process's memory: two reads, about 1 us each.
#pragma once

#include <optional>

#include "classify/futex_scene.h"

namespace lockscope {

[[nodiscard]] std::optional<FutexVerdict> glibc_join(const FutexScene& scene);
[[nodiscard]] std::optional<FutexVerdict> glibc_stdio(const FutexScene& scene);

}  // namespace lockscope
