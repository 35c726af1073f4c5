// SPDX-License-Identifier: Apache-2.0
// Waits in flock(2) and fcntl(2): what was asked for, and which held locks stand in its way.
// Conflict rules: fs/locks.c, flock_locks_conflict() and posix_locks_conflict().
#pragma once

#include "lockscope/sample.h"

namespace lockscope {

// Fills kind, lock, range and obstacles of a wait for a file lock. False: not enough is known of the call to name the
// lock (its struct flock or its file could not be read); the wait is then left out and counted.
[[nodiscard]] bool classify_file_lock_wait(const RawSample& raw, const RawWait& wait, Wait& out);

}  // namespace lockscope
