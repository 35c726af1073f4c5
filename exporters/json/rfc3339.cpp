// SPDX-License-Identifier: Apache-2.0
#include "exporters/json/rfc3339.h"

#include <fmt/format.h>

namespace lockscope {

std::string rfc3339(std::chrono::sys_time<std::chrono::nanoseconds> time) {
  using namespace std::chrono;
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss<nanoseconds> clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

}  // namespace lockscope
