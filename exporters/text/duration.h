// SPDX-License-Identifier: Apache-2.0
// Durations for people: "<1ms", "250ms", "2.3s", "4m12s", "3h05m", "2d03h". Rounded down: an age is never overstated.
// Pure; for the text exporter and for messages.
#pragma once

#include <cstdint>
#include <string>

namespace lockscope {

[[nodiscard]] std::string human_duration(std::uint64_t nanoseconds);

}  // namespace lockscope
