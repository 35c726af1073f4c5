// SPDX-License-Identifier: Apache-2.0
// Whether the operator wants a process to have a lock: the allow-list of Thresholds. Pure. For the detectors.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lockscope/detector.h"

namespace lockscope {

// Every pattern of a rule must match; what is not known matches none. A "*" matches a "/" too.
[[nodiscard]] bool is_allowed(const std::vector<AllowRule>& rules, const std::optional<std::string>& exe,
                              const std::optional<std::string>& path, const std::optional<std::string>& unit);

}  // namespace lockscope
