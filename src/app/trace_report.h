// SPDX-License-Identifier: Apache-2.0
// From a LockTrace to findings and a lock profile: asks the detectors of the full level and puts names to what they
// found. For run and trace. Cost: that of the detectors, and of reading symbols.
#pragma once

#include <cstdint>
#include <vector>

#include "lockscope/detector.h"
#include "lockscope/lock_trace.h"
#include "lockscope/report.h"

namespace lockscope {

// `realtime_offset_ns`: time of day minus boot time. The worst first.
[[nodiscard]] std::vector<FindingDescription> judge_trace(const LockTrace& trace, TraceNames& names,
                                                          const Thresholds& thresholds,
                                                          std::uint64_t realtime_offset_ns);

}  // namespace lockscope
