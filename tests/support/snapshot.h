// SPDX-License-Identifier: Apache-2.0
// Runs `lockscope snapshot --json` and keeps the report. Where $LOCKSCOPE_REPORT_DIR is set, every report is kept there
// too, as one numbered file each (tests/e2e/validate_reports.py holds them against the schema).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/command.h"
#include "tests/support/puppet.h"

namespace lockscope::test {

struct Snapshot {
  Finished run;
  nlohmann::json report;  // discarded() if it was no JSON
};

[[nodiscard]] Snapshot take_snapshot(const std::vector<std::string>& options, const CommandOptions& how = {},
                                     const std::string& program = lockscope_program());

// The findings in which any thread, at any place, is the puppet's.
[[nodiscard]] std::vector<nlohmann::json> findings_about(const nlohmann::json& report, const Puppet& puppet);

// What differs between the one expected finding (a truth, or one of its "others") and what was found; empty: nothing.
[[nodiscard]] std::string difference(const nlohmann::json& truth, const nlohmann::json& finding);

}  // namespace lockscope::test
