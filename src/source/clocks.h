// SPDX-License-Identifier: Apache-2.0
// The clocks of a look. For the live sources; models and detectors never ask a clock.
#pragma once

#include <ctime>

#include "lockscope/raw_sample.h"

namespace lockscope {

[[nodiscard]] inline std::uint64_t clock_ns(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

// Stamps the start of a look.
inline void start_clocks(RawSample& sample) {
  sample.taken_ns = clock_ns(CLOCK_BOOTTIME);
  sample.realtime_offset_ns = clock_ns(CLOCK_REALTIME) - sample.taken_ns;
  sample.monotonic_offset_ns = sample.taken_ns - clock_ns(CLOCK_MONOTONIC);
}

}  // namespace lockscope
