// SPDX-License-Identifier: Apache-2.0
// What of a finding a suppression can name: the functions and libraries of its sites, the classes of its locks. Views
// into the finding, which must outlive them. For suppressions only. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "lockscope/report.h"

namespace lockscope {

struct SuppressionSubjects {
  std::vector<std::string_view> functions;
  std::vector<std::string_view> modules;           // paths, and their last parts
  std::vector<std::string_view> nameless_modules;  // last parts, of sites without a function
  std::vector<std::string_view> locks;
};

// Nothing empty; the same thing may come twice.
[[nodiscard]] SuppressionSubjects subjects_of(const FindingDescription& finding);

}  // namespace lockscope
