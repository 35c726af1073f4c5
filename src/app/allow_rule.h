// SPDX-License-Identifier: Apache-2.0
// The argument of --allow, parsed: which processes may have which locks. Pure. For options.cpp.
#pragma once

#include <string_view>

#include "lockscope/detector.h"
#include "lockscope/result.h"

namespace lockscope {

// "exe=PATTERN,path=PATTERN,unit=PATTERN" in any order, each at most once and at least one. A comma belongs to the
// pattern unless one of the three words and "=" follow it. Errors are of kind usage.
[[nodiscard]] Result<AllowRule> parse_allow_rule(std::string_view text);

}  // namespace lockscope
