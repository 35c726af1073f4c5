// SPDX-License-Identifier: Apache-2.0
// The command line, parsed. Used by main.cpp only; the subcommands get plain structs.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lockscope/detector.h"
#include "lockscope/finding.h"
#include "lockscope/result.h"

namespace lockscope {

// What every subcommand that reports understands.
struct CommonOptions {
  bool json = false;
  bool quiet = false;
  int verbose = 0;
  bool no_color = false;
  std::chrono::nanoseconds min_wait{0};
  Thresholds thresholds;
  bool exit_code = false;
  Severity fail_on = Severity::warning;
};

struct SnapshotOptions {
  CommonOptions common;
  std::vector<pid_t> pids;  // empty: the whole host
  std::chrono::nanoseconds confirm{std::chrono::milliseconds{100}};
  bool all = false;
  bool no_bpf = false;
  std::string save;  // a trace of what was seen, for `replay`; empty: none
};

struct DoctorOptions {
  CommonOptions common;
};

struct ReplayOptions {
  CommonOptions common;
  std::string file;
  bool all = false;
};

// Help or version was asked for: print and be done.
struct PrintAndExit {
  std::string text;
};

using Command = std::variant<SnapshotOptions, DoctorOptions, ReplayOptions, PrintAndExit>;

// Errors are of kind usage and name the option. No exception leaves it.
[[nodiscard]] Result<Command> parse_command_line(int argc, const char* const* argv);

}  // namespace lockscope
