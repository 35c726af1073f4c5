// SPDX-License-Identifier: Apache-2.0
// From the lock table to the report's list of contended locks: numbers become names. Called by stream.cpp.
// Cost: the locks shown, and a pass over the table.
#pragma once

#include "lockscope/facts.h"
#include "lockscope/lock_table.h"
#include "lockscope/report.h"

namespace lockscope {

inline constexpr std::size_t kLocksShown = 20;

[[nodiscard]] ContentionDescription describe_contention(const LockTable& locks, const HostFacts& facts,
                                                        std::size_t shown = kLocksShown);

}  // namespace lockscope
