// SPDX-License-Identifier: Apache-2.0
// Primitives of glibc that nobody owns: semaphore, barrier, once; and the guard of a C++ static variable.
//
// Layouts, x86_64, glibc 2.31 to 2.43:
//   sem_t (sysdeps/nptl/internaltypes.h, struct new_sem; nptl/sem_waitcommon.c)
//      0 value (the futex word, expected 0)   4 waiters   8 private: 0, or 128 if shared
//   pthread_barrier_t (sysdeps/nptl/internaltypes.h, struct pthread_barrier; nptl/pthread_barrier_wait.c)
//      0 in   4 current_round (the futex word, a multiple of count)   8 count   12 shared: 0 or 128   16 out
//   pthread_once_t (nptl/pthread_once.c)
//      0 fork generation (a multiple of 4) | 1 in progress | 2 done
//   __cxa_guard (libstdc++-v3/libsupc++/guard.cc)
//      0 the first word of the guard: 0x100 in progress, 0x10000 awaited, 1 done
#pragma once

#include <optional>

#include "classify/futex_scene.h"

namespace lockscope {

[[nodiscard]] std::optional<FutexVerdict> glibc_semaphore(const FutexScene& scene);
[[nodiscard]] std::optional<FutexVerdict> glibc_barrier(const FutexScene& scene);
[[nodiscard]] std::optional<FutexVerdict> glibc_once(const FutexScene& scene);
[[nodiscard]] std::optional<FutexVerdict> cxx_static_guard(const FutexScene& scene);

}  // namespace lockscope
