// SPDX-License-Identifier: Apache-2.0
// Primitives of musl. Those mutexes hold their owner that have to check it; normal ones do not.
//
// Layouts, x86_64, musl 1.2.3 to 1.2.6 (src/internal/pthread_impl.h, src/internal/libc.h, src/thread/*.c). musl waits
// with FUTEX_WAIT only, with a relative timeout.
//   pthread_mutex_t   0 type: 0 normal, 1 recursive, 2 errorcheck, +4 robust, +8 PI, +128 shared
//                     4 lock (the futex word): normal 16 | 0x80000000 awaited; others TID | 0x80000000 awaited
//                       | 0x40000000 owner died, 0x3fffffff not recoverable
//                     8 waiters   24 and 32 neighbours in the owner's list, for all but normal ones
//   FILE.lock         TID | 0x40000000 awaited (src/stdio/__lockfile.c)
//   pthread_t         0 self   48 tid   56 detach_state (the futex word of a join: 2 joinable, 1 exiting)
//   pthread_rwlock_t  0 lock: 0x7fffffff written, else readers, | 0x80000000 awaited   4 waiters   8 shared: 0 or 128
//   sem_t             0 value: | 0x80000000 awaited, up to 1.2.3 -1   4 waiters   8 private: 128, 0 if shared
//   pthread_cond_t    the word (2) is in a node on the waiter's stack
//   pthread_once_t    0 control: 3 awaited
//   internal lock     0x80000000 + holder and waiters (src/thread/__lock.c)
#pragma once

#include "classify/futex_scene.h"

namespace lockscope {

// What the wait of a thread that runs musl is; kind futex where nothing fits.
[[nodiscard]] FutexVerdict musl_primitive(const FutexScene& scene);

// Where, relative to its PI futex, the mutex begins that the word belongs to.
[[nodiscard]] std::int64_t musl_pi_mutex_offset(const FutexScene& scene);

}  // namespace lockscope
