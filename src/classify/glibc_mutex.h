// SPDX-License-Identifier: Apache-2.0
// pthread_mutex_t of glibc, which is also mtx_t, std::mutex, std::recursive_mutex and the loader's own lock.
//
// Layout, x86_64, glibc 2.31 to 2.43 (sysdeps/nptl/bits/struct_mutex.h, sysdeps/x86/nptl/bits/struct_mutex.h):
//    0  __lock    the futex word. 0 free, 1 held, 2 held and awaited; robust and PI: TID | 0x80000000 awaited
//                 | 0x40000000 owner died; priority protect: ceiling << 19 | 0, 1, 2
//    4  __count   recursion depth; at least 1 where a recursive, robust, PI or priority-protect mutex is held
//    8  __owner   TID; robust: INT_MAX inconsistent, INT_MAX - 1 not recoverable
//   12  __nusers  owner and threads in a condition wait on it
//   16  __kind    0 normal, 1 recursive, 2 errorcheck, 3 adaptive; +16 robust, +32 PI, +64 priority protect,
//                 +128 process-shared (always set if robust), +256 elision, +512 no elision
//                 (nptl/pthreadP.h)
//   20  __spins, 22 __elision
//   24  __list    neighbours in the owner's list of robust mutexes; zero for others
//
// Waits: nptl/pthread_mutex_lock.c, pthread_mutex_timedlock.c, lowlevellock.c. A lock writes __lock first and __owner
// then, an unlock clears __owner first: between the two nobody is named. With elision nobody ever is.
// A robust word changes hands under a sleeping waiter, so the owner is the word's, never that of the expected value.
#pragma once

#include <optional>

#include "classify/futex_scene.h"

namespace lockscope {

// Mutexes other than PI ones (those are the kernel's, see futex_classifier.cpp). Nothing: not a mutex.
[[nodiscard]] std::optional<FutexVerdict> glibc_mutex(const FutexScene& scene);

}  // namespace lockscope
