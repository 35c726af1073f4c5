// SPDX-License-Identifier: Apache-2.0
// Durations as people write them on the command line: 250ms, 2s, 1m, 1.5h. Used by options.cpp.
#pragma once

#include <chrono>
#include <string_view>

#include "lockscope/result.h"

namespace lockscope {

// A number (decimals allowed) and a unit: ns, us, ms, s, m, h. 0 needs a unit too. At most 10 years, never negative.
[[nodiscard]] Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace lockscope
