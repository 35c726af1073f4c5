// SPDX-License-Identifier: Apache-2.0
#include "detect/allowed.h"

#include <fnmatch.h>

#include <algorithm>

namespace lockscope {
namespace {

bool matches(const std::string& pattern, const std::optional<std::string>& text) {
  return pattern.empty() || (text && ::fnmatch(pattern.c_str(), text->c_str(), 0) == 0);
}

}  // namespace

bool is_allowed(const std::vector<AllowRule>& rules, const std::optional<std::string>& exe,
                const std::optional<std::string>& path, const std::optional<std::string>& unit) {
  return std::ranges::any_of(rules, [&](const AllowRule& rule) {
    const bool says_something = !rule.exe.empty() || !rule.path.empty() || !rule.unit.empty();
    return says_something && matches(rule.exe, exe) && matches(rule.path, path) && matches(rule.unit, unit);
  });
}

}  // namespace lockscope
