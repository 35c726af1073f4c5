// SPDX-License-Identifier: Apache-2.0
// pthread_cond_t of glibc, and the mutex that a thread inside pthread_cond_wait will take again.
//
// Two layouts, told apart by content: the second one came with 2.41 and went back into the 2.38 to 2.40 branches in
// 2025 (sysdeps/nptl/bits/thread-shared-types.h, struct __pthread_cond_s; nptl/pthread_cond_wait.c):
//         with __g_refs                                  without
//    0    __wseq        sequence of waiters << 1 | group       0  __wseq
//    8    __g1_start    << 1 | group                           8  __g1_start
//   16    __g_refs[2]   waiters << 1 | wake request
//   24    __g_size[2]                                         16  __g_size[2]
//   32    __g1_orig_size << 2 | internal lock                 24  __g1_orig_size
//   36    __wrefs       waiters << 3 | clock << 1 | shared     28  __wrefs
//   40    __g_signals[2]  futex words, expected 0             32  __g_signals[2]  expected what they hold
//
// Nobody owns a condition. While a thread waits, its stack holds struct _condvar_cleanup_buffer {u64 wseq;
// pthread_cond_t*; pthread_mutex_t*; int private} (nptl/pthread_cond_wait.c): it proves the kind and names the mutex.
#pragma once

#include <optional>

#include "classify/futex_scene.h"

namespace lockscope {

enum class StackWitness { absent, no_record, record };  // absent: no stack was read

struct CondReading {
  FutexVerdict verdict;
  StackWitness witness = StackWitness::absent;
};

// Nothing: not a wait for a condition variable.
[[nodiscard]] std::optional<CondReading> glibc_cond(const FutexScene& scene);

// The lock inside a condition variable, which threads that signal at the same time wait for. Nobody owns it.
[[nodiscard]] std::optional<FutexVerdict> glibc_cond_internal_lock(const FutexScene& scene);

}  // namespace lockscope
