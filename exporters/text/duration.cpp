// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/duration.h"

#include <fmt/format.h>

namespace lockscope {

std::string human_duration(std::uint64_t nanoseconds) {
  const std::uint64_t milliseconds = nanoseconds / 1'000'000;
  const std::uint64_t seconds = milliseconds / 1'000;
  const std::uint64_t minutes = seconds / 60;
  const std::uint64_t hours = minutes / 60;
  if (milliseconds == 0) return "<1ms";
  if (seconds == 0) return fmt::format("{}ms", milliseconds);
  if (minutes == 0) return fmt::format("{}.{}s", seconds, milliseconds % 1'000 / 100);
  if (hours == 0) return fmt::format("{}m{:02}s", minutes, seconds % 60);
  if (hours < 24) return fmt::format("{}h{:02}m", hours, minutes % 60);
  return fmt::format("{}d{:02}h", hours / 24, hours % 24);
}

}  // namespace lockscope
