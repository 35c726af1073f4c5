// SPDX-License-Identifier: Apache-2.0
// Durations and times for people. Durations: "<1ms", "250ms", "2.3s", "4m12s", "3h05m", "2d03h". Rounded down: an age is never overstated.
// Pure; for the text exporter and for messages.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace lockscope {

[[nodiscard]] std::string human_duration(std::uint64_t nanoseconds);

// The same with "<1us", "37us" and "1.2ms" below 10 ms: for what is counted, not watched.
[[nodiscard]] std::string fine_duration(std::uint64_t nanoseconds);

// "12:01:03", of the day in UTC.
[[nodiscard]] std::string clock_time(std::chrono::system_clock::time_point time);

// "2026-03-01 09:30:00".
[[nodiscard]] std::string date_and_time(std::chrono::system_clock::time_point time);

}  // namespace lockscope
