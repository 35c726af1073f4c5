// SPDX-License-Identifier: Apache-2.0
// Waits for the end of one given child: wait4(pid), waitid(P_PID), waitid(P_PIDFD).
#pragma once

#include "lockscope/sample.h"
#include "lockscope/source.h"

namespace lockscope {

// Fills kind, lock and obstacles. False: the call waits for any of several children, which is no wait for one holder.
[[nodiscard]] bool classify_child_wait(const RawSample& raw, const RawWait& wait, ProcessMemory& memory, Wait& out);

}  // namespace lockscope
