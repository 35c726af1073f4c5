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

std::string fine_duration(std::uint64_t nanoseconds) {
  const std::uint64_t microseconds = nanoseconds / 1'000;
  if (microseconds == 0) return "<1us";
  if (microseconds < 1'000) return fmt::format("{}us", microseconds);
  if (microseconds < 10'000) return fmt::format("{}.{}ms", microseconds / 1'000, microseconds % 1'000 / 100);
  return human_duration(nanoseconds);
}

std::string clock_time(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto second = floor<seconds>(time);
  const hh_mm_ss clock{second - floor<days>(second)};
  return fmt::format("{:02}:{:02}:{:02}", clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string date_and_time(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const year_month_day date{floor<days>(time)};
  return fmt::format("{}-{:02}-{:02} {}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), clock_time(time));
}

}  // namespace lockscope
