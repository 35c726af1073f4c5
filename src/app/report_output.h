// SPDX-License-Identifier: Apache-2.0
// A Report to standard output in the form that was asked for, and the exit status that it means. For the subcommands.
#pragma once

#include "app/options.h"
#include "lockscope/report.h"

namespace lockscope {

// Writes the report; colours only on a terminal. Exit status 0; 1 with --exit-code and a finding that counts; 3 where
// standard output cannot be written.
[[nodiscard]] int write_report(const Report& report, const CommonOptions& options, bool all);

// The same to a file, or where that is empty to standard output or standard error. Error: the file cannot be written.
[[nodiscard]] Result<int> write_report_to(const Report& report, const CommonOptions& options, const std::string& file,
                                          bool standard_output);

// One finding as one line of JSON, written out at once: what `--json-lines` streams.
void write_finding_line(const FindingDescription& finding);
// The exit status after such lines: as of write_report().
[[nodiscard]] int finish_lines(const Report& report, const CommonOptions& options);

// Whether standard output may carry colours.
[[nodiscard]] bool color_wanted(const CommonOptions& options);

// One line on standard error, for a person.
void say(const char* level, const std::string& text);

}  // namespace lockscope
