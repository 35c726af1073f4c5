// SPDX-License-Identifier: Apache-2.0
// What a trace holds, as report.h describes it: places in code, threads, locks, errors. Shared by the lock profile and
// by what describes the findings of a trace. Pure; strings stay raw.
#pragma once

#include <string>

#include "lockscope/lock_trace.h"
#include "lockscope/report.h"

namespace lockscope {

[[nodiscard]] FrameDescription frame_of(const CodePoint& point);
[[nodiscard]] ThreadDescription thread_of(const TracedThread& thread);
[[nodiscard]] LockDescription lock_of(const TracedLock& lock, LockKind kind, const LockClass& lock_class);
[[nodiscard]] std::string name_of_error(int error);  // "EBUSY", "error 77"

}  // namespace lockscope
