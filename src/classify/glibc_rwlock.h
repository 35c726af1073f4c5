// SPDX-License-Identifier: Apache-2.0
// pthread_rwlock_t of glibc.
//
// Layout, x86_64, glibc 2.31 to 2.43 (sysdeps/x86/nptl/bits/struct_rwlock.h; algorithm and state bits:
// nptl/pthread_rwlock_common.c):
//    0  __readers        bit 0 write phase, bit 1 a primary writer exists, bit 2 readers wait here; count << 3
//    4  __writers        writers that wait or hold
//    8  __wrphase_futex  bit 1 is "somebody waits here"; readers wait for 3, the primary writer for 2
//   12  __writers_futex  other writers wait here for 3
//   16  two pads of 4 bytes
//   24  __cur_writer     TID of the writer that holds it; 0 while the primary writer itself waits
//   28  __shared         0 or 1
//   32  pads up to 48
//   48  __flags          0 prefer readers, 1 prefer writers, 2 prefer writers, not recursive
//
// Readers leave no name, only their count. The unlock function takes the caller for the writer only if it is
// __cur_writer, so a write lock is let go by its owner or not at all.
#pragma once

#include <optional>

#include "classify/futex_scene.h"

namespace lockscope {

// Nothing: not a wait for a rwlock.
[[nodiscard]] std::optional<FutexVerdict> glibc_rwlock(const FutexScene& scene);

}  // namespace lockscope
