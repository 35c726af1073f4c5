// SPDX-License-Identifier: Apache-2.0
#include "app/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "app/duration.h"

namespace lockscope {
namespace {

// Turns a duration option into nanoseconds; CLI11 wants exceptions for its own parse errors.
void add_duration(CLI::App& app, const std::string& name, std::chrono::nanoseconds& target, const std::string& help,
                  bool* was_set = nullptr) {
  app.add_option_function<std::string>(
         name,
         [&target, name, was_set](const std::string& text) {
           const auto parsed = parse_duration(text);
           if (!parsed) throw CLI::ValidationError(name, parsed.error().line());
           target = *parsed;
           if (was_set != nullptr) *was_set = true;
         },
         help)
      ->type_name("DURATION");
}

void add_common(CLI::App& app, CommonOptions& o) {
  app.add_flag("--json", o.json, "one JSON report object on standard output");
  add_duration(app, "--min-wait", o.min_wait, "leave out waits known to be shorter");
  add_duration(app, "--long-hold", o.thresholds.long_hold,
               "report locks held this long while others wait, and unproven suspicions this old (default 10s; "
               "unset, a long hold is reported only where the holder is stopped)",
               &o.thresholds.long_hold_set);
  app.add_flag("--no-color", o.no_color, "no colours, also on a terminal (as does NO_COLOR in the environment)");
  app.add_flag("--exit-code", o.exit_code, "exit with 1 if there are findings at or above --fail-on");
  app.add_option("--fail-on", o.fail_on, "severity that --exit-code counts: notice, warning (default) or critical")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Severity>{
          {"notice", Severity::notice}, {"warning", Severity::warning}, {"critical", Severity::critical}}))
      ->type_name("SEVERITY");
  app.add_flag("-q,--quiet", o.quiet, "findings only");
  app.add_flag("-v,--verbose", o.verbose, "say on standard error what is being done; twice for more");
}

constexpr const char* kMainFooter =
    "Exit status: 0 done; 1 findings, with --exit-code; 2 wrong usage or input; 3 not permitted or not supported.\n"
    "\n"
    "Examples:\n"
    "  sudo lockscope snapshot                 who waits for whom now, and is it a deadlock\n"
    "  sudo lockscope snapshot --pid 1234      only what touches process 1234\n"
    "  sudo lockscope doctor                   what works on this host\n";

constexpr const char* kSnapshotFooter =
    "Examples:\n"
    "  sudo lockscope snapshot\n"
    "  sudo lockscope snapshot --pid 1234 --pid 1300 --json\n"
    "  sudo lockscope snapshot --exit-code --fail-on critical && echo healthy\n"
    "  lockscope snapshot --no-bpf             without root: one's own processes\n"
    "  sudo lockscope snapshot --save hang.trace && lockscope replay hang.trace\n";

}  // namespace

Result<Command> parse_command_line(int argc, const char* const* argv) {
  CLI::App app{"lockscope: who holds the lock, who waits for it, and is that a deadlock?", "lockscope"};
  app.set_version_flag("--version", std::string("lockscope ") + LOCKSCOPE_VERSION);
  app.require_subcommand(1);
  app.footer(kMainFooter);

  SnapshotOptions snapshot;
  CLI::App& snapshot_app = *app.add_subcommand("snapshot", "one look at the host now: findings, then wait chains");
  snapshot_app
      .add_option("--pid", snapshot.pids,
                  "show only what involves this process (repeatable); the rest of the "
                  "host still serves as evidence")
      ->check(CLI::PositiveNumber)
      ->type_name("PID")
      ->allow_extra_args(false);
  add_duration(snapshot_app, "--confirm", snapshot.confirm, "time between the two looks (default 100ms)");
  snapshot_app.add_flag("--all", snapshot.all, "also waits that nobody in particular can end: idle pools and the like");
  snapshot_app.add_flag("--no-bpf", snapshot.no_bpf, "read /proc alone; without root, one's own processes");
  snapshot_app.add_option("--save", snapshot.save, "keep what was seen in FILE, for 'lockscope replay'")
      ->type_name("FILE");
  add_common(snapshot_app, snapshot.common);
  snapshot_app.footer(kSnapshotFooter);

  DoctorOptions doctor;
  CLI::App& doctor_app = *app.add_subcommand("doctor", "what works on this host, what does not, and what to do");
  doctor_app.add_flag("--json", doctor.common.json, "the same as JSON");
  doctor_app.add_flag("--no-color", doctor.common.no_color, "no colours, also on a terminal");
  doctor_app.footer(
      "Exit status: 0 'snapshot' can see the whole host; 3 it cannot, and a line above says why.\n\n"
      "Examples:\n  sudo lockscope doctor\n");

  ReplayOptions replay;
  CLI::App& replay_app = *app.add_subcommand("replay", "judge a saved trace again, on any machine");
  replay_app.add_option("FILE", replay.file, "written by 'lockscope snapshot --save'")->required()->type_name("");
  replay_app.add_flag("--all", replay.all, "also waits that nobody in particular can end");
  add_common(replay_app, replay.common);
  replay_app.footer("Examples:\n  lockscope replay hang.trace\n  lockscope replay hang.trace --json\n");

  // CLI11 would only say that a command is missing.
  const auto is_called = [&](const CLI::App* command) { return argc > 1 && command->get_name() == argv[1]; };
  if (argc > 1 && argv[1][0] != '-' && std::ranges::none_of(app.get_subcommands(nullptr), is_called)) {
    return fail(ErrorKind::usage, "no command is called '" + std::string(argv[1]) + "'", "", "see 'lockscope --help'");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    return PrintAndExit{(chosen.empty() ? app : *chosen.front()).help()};
  } catch (const CLI::CallForVersion& e) {
    return PrintAndExit{std::string(e.what()) + "\n"};
  } catch (const CLI::ParseError& e) {
    return fail(ErrorKind::usage, e.what(), "", "see 'lockscope --help'");
  }
  if (snapshot_app.parsed()) return snapshot;
  if (doctor_app.parsed()) return doctor;
  return replay;
}

}  // namespace lockscope
