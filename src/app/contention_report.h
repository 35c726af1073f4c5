// SPDX-License-Identifier: Apache-2.0
// From the lock table to the report's list of contended locks: numbers become names. Called by stream.cpp.
// Cost: a pass over the table.
#pragma once

#include "lockscope/facts.h"
#include "lockscope/lock_table.h"
#include "lockscope/report.h"

namespace lockscope {

inline constexpr std::size_t kLocksShown = 20;

// Without `all`: only what somebody holds while others wait. Idle threads sleep on conditions and on words of unknown
// meaning for as long as they live, and would be the longest waits of every host.
[[nodiscard]] ContentionDescription describe_contention(const LockTable& locks, const HostFacts& facts, bool all);

}  // namespace lockscope
