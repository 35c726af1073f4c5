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

// What the commands that watch for a while understand.
struct WatchOptions {
  std::optional<std::chrono::nanoseconds> duration;                   // nothing: until a signal
  std::chrono::nanoseconds interval{std::chrono::milliseconds{500}};  // from look to look
  bool writes = false;                                                // also writes to files that others have locked
  bool creates = false;     // also exclusive creates that found the name taken
  bool probes = true;       // on locks in memory that two domains of trust share
  bool cost = false;        // have the kernel account what the hooks cost
  bool json_lines = false;  // each finding when it fires, one a line
};

struct SnapshotOptions {
  CommonOptions common;
  WatchOptions watch;       // only if its duration is set
  std::vector<pid_t> pids;  // empty: the whole host
  std::chrono::nanoseconds confirm{std::chrono::milliseconds{100}};
  bool all = false;
  bool no_bpf = false;
  std::string save;  // a trace of what was seen, for `replay`; empty: none
};

struct RecordOptions {
  CommonOptions common;
  WatchOptions watch;
  std::string file;
};

struct AuditOptions {
  CommonOptions common;
  std::optional<std::chrono::nanoseconds> duration;  // also watch for lock names that are found taken
  bool no_bpf = false;
};

struct DoctorOptions {
  CommonOptions common;
  std::string libc;  // only what is probed in this file; empty: everything, of this host
};

struct ReplayOptions {
  CommonOptions common;
  std::string file;
  bool starved_set = false;  // else a recording's own threshold holds
  bool all = false;
};

// What the commands of the full level understand.
struct TraceOptions {
  CommonOptions common;
  std::string suppressions;  // a file; empty: none
  std::string output;        // a file for the report; empty: standard output, or standard error
};

struct RunOptions {
  TraceOptions trace;
  std::vector<std::string> command;
  std::optional<std::chrono::nanoseconds> timeout;
  bool kill_on_deadlock = false;
};

struct TracePidsOptions {
  TraceOptions trace;
  std::vector<pid_t> pids;
  std::chrono::nanoseconds duration{std::chrono::seconds{10}};
};

// Help or version was asked for: print and be done.
struct PrintAndExit {
  std::string text;
};

using Command = std::variant<SnapshotOptions, RecordOptions, AuditOptions, DoctorOptions, ReplayOptions, RunOptions,
                             TracePidsOptions, PrintAndExit>;

// Errors are of kind usage and name the option. No exception leaves it.
[[nodiscard]] Result<Command> parse_command_line(int argc, const char* const* argv);

}  // namespace lockscope
