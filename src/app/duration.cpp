// SPDX-License-Identifier: Apache-2.0
#include "app/duration.h"

#include <array>
#include <charconv>
#include <cmath>
#include <string>

namespace lockscope {

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double ns;
  };
  static constexpr std::array<Unit, 6> kUnits{
      {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
  constexpr double kLongest = 10.0 * 365 * 86400e9;

  const auto refuse = [&](std::string why) {
    return fail(ErrorKind::usage, "not a duration: '" + std::string(text) + "'", std::move(why),
                "write a number and a unit, like 250ms, 2s or 1m");
  };
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(number)) return refuse("it does not start with a number");
  if (number < 0 || std::signbit(number)) return refuse("it is negative");
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const Unit& u : kUnits) {
    if (u.name != unit) continue;
    if (number * u.ns > kLongest) return refuse("it is longer than ten years");
    return std::chrono::nanoseconds(std::llround(number * u.ns));
  }
  return refuse(unit.empty() ? "the unit is missing" : "the unit is unknown");
}

}  // namespace lockscope
