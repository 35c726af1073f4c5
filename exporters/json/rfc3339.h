// SPDX-License-Identifier: Apache-2.0
// Points in time as RFC 3339 in UTC, with nanoseconds: "2026-03-01T09:30:00.000000000Z". Pure; for the exporters.
#pragma once

#include <chrono>
#include <string>

namespace lockscope {

[[nodiscard]] std::string rfc3339(std::chrono::sys_time<std::chrono::nanoseconds> time);

}  // namespace lockscope
