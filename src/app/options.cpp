// SPDX-License-Identifier: Apache-2.0
#include "app/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "app/allow_rule.h"
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

void add_exit_code(CLI::App& app, CommonOptions& o) {
  app.add_flag("--exit-code", o.exit_code, "exit with 1 if there are findings at or above --fail-on");
  app.add_option("--fail-on", o.fail_on, "severity that --exit-code counts: notice, warning (default) or critical")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Severity>{
          {"notice", Severity::notice}, {"warning", Severity::warning}, {"critical", Severity::critical}}))
      ->type_name("SEVERITY");
}

void add_common(CLI::App& app, CommonOptions& o) {
  app.add_flag("--json", o.json, "one JSON report object on standard output");
  add_duration(app, "--min-wait", o.min_wait, "leave out waits known to be shorter");
  add_duration(app, "--long-hold", o.thresholds.long_hold,
               "report locks held this long while others wait, and unproven suspicions this old (default 10s; "
               "unset, a long hold is reported only where the holder is stopped)",
               &o.thresholds.long_hold_set);
  app.add_flag("--no-color", o.no_color, "no colours, also on a terminal (as does NO_COLOR in the environment)");
  add_exit_code(app, o);
  app.add_flag("-q,--quiet", o.quiet, "findings only");
  app.add_flag("-v,--verbose", o.verbose, "say on standard error what is being done; twice for more");
}

// Who may have which locks.
void add_allow(CLI::App& app, Thresholds& thresholds) {
  app.add_option_function<std::vector<std::string>>(
         "--allow",
         [&thresholds](const std::vector<std::string>& rules) {
           for (const std::string& text : rules) {
             auto rule = parse_allow_rule(text);
             if (!rule) throw CLI::ValidationError("--allow", rule.error().line());
             thresholds.allowed.push_back(std::move(*rule));
           }
         },
         "wanted: processes with this program, in this unit, and locks at this path, by shell patterns: "
         "exe=/usr/bin/backup*,path=/var/lib/*; repeatable")
      ->allow_extra_args(false)
      ->type_name("RULE");
}

// When to call it a hijack.
void add_trust(CLI::App& app, Thresholds& thresholds, bool* was_set) {
  add_duration(app, "--starved", thresholds.starved,
               "report who is kept from a lock this long by an outsider, or passed over (default 5s)", was_set);
  add_allow(app, thresholds);
}

void add_optional_duration(CLI::App& app, const std::string& name, std::optional<std::chrono::nanoseconds>& target,
                           const std::string& help) {
  app.add_option_function<std::string>(
         name,
         [&target, name](const std::string& text) {
           const auto parsed = parse_duration(text);
           if (!parsed) throw CLI::ValidationError(name, parsed.error().line());
           if (parsed->count() <= 0) throw CLI::ValidationError(name, "must be longer than nothing");
           target = *parsed;
         },
         help)
      ->type_name("DURATION");
}

void add_for(CLI::App& app, std::optional<std::chrono::nanoseconds>& target, const std::string& help) {
  add_optional_duration(app, "--for", target, help);
}

// How long, how often, and what else to watch.
void add_watch(CLI::App& app, WatchOptions& o, CommonOptions& common, const std::string& help_for) {
  add_for(app, o.duration, help_for);
  add_duration(app, "--interval", o.interval, "while watching: time from look to look (default 500ms)");
  add_trust(app, common.thresholds, nullptr);
  app.add_flag("--writes", o.writes, "also watch for writes to files that another process has locked");
  app.add_flag_callback(
      "--no-probes", [&o] { o.probes = false; },
      "set no probes in processes that share memory with another user's or unit's: who has taken a "
      "semaphore there, and tries on mutexes there that fail, are then not seen");
  app.add_flag("--cost", o.cost, "report what the hooks cost, by the kernel's account; doubles what they cost");
  app.add_flag("--creates", o.creates,
               "also watch for lock files that could not be created because the name was taken; costs every system "
               "call of the host about 0.1 us while it lasts");
}

// What the commands of the full level have in common.
void add_trace(CLI::App& app, TraceOptions& o) {
  app.add_flag("--json", o.common.json, "one JSON report object instead of text");
  app.add_option("-o,--output", o.output, "write the report to FILE")->type_name("FILE");
  add_duration(app, "--long-hold", o.common.thresholds.long_hold,
               "report locks held this long (default 10s; unset, only where somebody waited)",
               &o.common.thresholds.long_hold_set);
  app.add_option("--suppressions", o.suppressions, "do not report what FILE says is known and wanted")
      ->type_name("FILE");
  app.add_flag("--no-color", o.common.no_color, "no colours, also on a terminal");
  add_exit_code(app, o.common);
  app.add_flag("-q,--quiet", o.common.quiet, "findings only");
}

constexpr const char* kRunFooter =
    "The command gets this terminal and its signals; its exit status is passed on (128+N where signal N ended it), or\n"
    "1 with --exit-code and a finding. The report goes to standard error, with --json to standard output.\n"
    "\n"
    "Examples:\n"
    "  sudo lockscope run -- ./server --selftest\n"
    "  sudo lockscope run --exit-code --kill-on-deadlock --timeout 10m -- ./tests\n"
    "  sudo lockscope run --json -o locks.json -- make check\n";

constexpr const char* kTraceFooter =
    "Leaves nothing behind, also when it is killed.\n"
    "\n"
    "Examples:\n"
    "  sudo lockscope trace --pid 1234 --duration 30s\n";

constexpr const char* kMainFooter =
    "Exit status: 0 done; 1 findings, with --exit-code; 2 wrong usage or input; 3 not permitted or not supported.\n"
    "\n"
    "Examples:\n"
    "  sudo lockscope snapshot                 who waits for whom now, and is it a deadlock\n"
    "  sudo lockscope snapshot --pid 1234      only what touches process 1234\n"
    "  sudo lockscope snapshot --for 10s       what was contended in ten seconds, and who was starved\n"
    "  sudo lockscope run -- ./tests           every lock of a command: misuse, lock order, a profile\n"
    "  sudo lockscope audit                    which locks could be hijacked, and how to close that\n"
    "  sudo lockscope doctor                   what works on this host\n";

constexpr const char* kSnapshotFooter =
    "Examples:\n"
    "  sudo lockscope snapshot\n"
    "  sudo lockscope snapshot --pid 1234 --pid 1300 --json\n"
    "  sudo lockscope snapshot --for 10s       watch: contended locks, hijacks, starvation\n"
    "  sudo lockscope snapshot --exit-code --fail-on critical && echo healthy\n"
    "  lockscope snapshot --no-bpf             without root: one's own processes\n"
    "  sudo lockscope snapshot --save hang.trace && lockscope replay hang.trace\n";

constexpr const char* kRecordFooter =
    "Ends with --for, or when interrupted; the file is then complete, and a cut-off one can still be replayed.\n"
    "\n"
    "Examples:\n"
    "  sudo lockscope record -o night.lockscope --for 8h\n"
    "  lockscope replay night.lockscope\n";

constexpr const char* kAuditFooter =
    "Looks once at the file locks that are held or waited for and at the shared memory of root, system users and\n"
    "services, and judges by where they lie. critical: any user can take a lock that is in use. warning: some users\n"
    "can, or any user can make the file first. notice: it may be so, or may harm nobody now.\n"
    "\n"
    "Examples:\n"
    "  sudo lockscope audit\n"
    "  sudo lockscope audit --json --exit-code --fail-on critical\n"
    "  sudo lockscope audit --allow exe=/usr/sbin/cron --allow 'path=/run/lock/*,unit=lvm2*.service'\n";

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
  add_watch(snapshot_app, snapshot.watch, snapshot.common,
            "watch contention this long, then report it with all that was found meanwhile");
  snapshot_app.add_flag("--json-lines", snapshot.watch.json_lines,
                        "with --for: each finding as one line of JSON as soon as it fires");
  add_common(snapshot_app, snapshot.common);
  snapshot_app.footer(kSnapshotFooter);

  RecordOptions record;
  CLI::App& record_app = *app.add_subcommand("record", "keep what happens on the locks of this host, for 'replay'");
  record_app.add_option("-o,--output", record.file, "the file to write")->required()->type_name("FILE");
  add_watch(record_app, record.watch, record.common, "stop after this time (default: when interrupted)");
  add_duration(record_app, "--min-wait", record.common.min_wait, "keep single waits from this length on (default 1ms)");
  record_app.add_flag("-q,--quiet", record.common.quiet, "no summary at the end");
  record_app.footer(kRecordFooter);

  AuditOptions audit;
  CLI::App& audit_app =
      *app.add_subcommand("audit", "which locks in use could be hijacked, by whom, how to close that");
  audit_app.add_flag("--json", audit.common.json, "one JSON report object on standard output");
  add_for(
      audit_app, audit.duration,
      "also watch this long for programs that find the name of their lock file taken by another user's; costs every "
      "system call of the host about 0.1 us while it lasts");
  add_allow(audit_app, audit.common.thresholds);
  audit_app.add_flag("--no-bpf", audit.no_bpf, "read /proc alone; without root, one's own processes");
  audit_app.add_flag("--no-color", audit.common.no_color, "no colours, also on a terminal");
  add_exit_code(audit_app, audit.common);
  audit_app.add_flag("-q,--quiet", audit.common.quiet, "findings only");
  audit_app.footer(kAuditFooter);

  DoctorOptions doctor;
  CLI::App& doctor_app = *app.add_subcommand("doctor", "what works on this host, what does not, and what to do");
  doctor_app.add_flag("--json", doctor.common.json, "the same as JSON");
  doctor_app.add_flag("--no-color", doctor.common.no_color, "no colours, also on a terminal");
  doctor_app
      .add_option("--libc", doctor.libc,
                  "only where the full level probes this C library, or this program that is linked statically")
      ->type_name("FILE");
  doctor_app.footer(
      "Exit status: 0 'snapshot' can see the whole host; 3 it cannot, and a line above says why.\n\n"
      "Examples:\n  sudo lockscope doctor\n  lockscope doctor --libc /lib/ld-musl-x86_64.so.1\n");

  ReplayOptions replay;
  CLI::App& replay_app = *app.add_subcommand("replay", "judge a saved trace again, on any machine");
  replay_app.add_option("FILE", replay.file, "written by 'lockscope record' or 'lockscope snapshot --save'")
      ->required()
      ->type_name("");
  replay_app.add_flag("--all", replay.all, "also waits that nobody in particular can end");
  add_trust(replay_app, replay.common.thresholds, &replay.starved_set);
  add_common(replay_app, replay.common);
  replay_app.footer("Examples:\n  lockscope replay hang.trace\n  lockscope replay hang.trace --json\n");

  RunOptions run;
  CLI::App& run_app = *app.add_subcommand("run", "run a command with all its locks traced, and report at its end");
  add_trace(run_app, run.trace);
  add_optional_duration(run_app, "--timeout", run.timeout, "end the command after this time");
  run_app.add_flag("--kill-on-deadlock", run.kill_on_deadlock, "kill the command when it is stuck for good");
  run_app.add_option("COMMAND", run.command, "the command and its arguments, after '--'")->required()->type_name("");
  run_app.footer(kRunFooter);

  TracePidsOptions trace;
  CLI::App& trace_app = *app.add_subcommand("trace", "trace all locks of running processes for a while");
  trace_app.add_option("-p,--pid", trace.pids, "process to trace, with its children to come (repeatable)")
      ->required()
      ->check(CLI::PositiveNumber)
      ->type_name("PID")
      ->allow_extra_args(false);
  add_duration(trace_app, "--duration", trace.duration, "for this long (default 10s)");
  add_trace(trace_app, trace.trace);
  trace_app.footer(kTraceFooter);

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
  if (snapshot_app.parsed()) {
    if (!snapshot.watch.duration &&
        (snapshot.watch.json_lines || snapshot.watch.writes || snapshot.watch.creates || snapshot.watch.cost)) {
      return fail(ErrorKind::usage, "--json-lines, --writes, --creates and --cost need --for", "",
                  "see 'lockscope snapshot --help'");
    }
    if (snapshot.watch.duration && (snapshot.no_bpf || !snapshot.save.empty())) {
      return fail(ErrorKind::usage, "--for cannot be combined with --no-bpf or --save", "",
                  "'lockscope record' keeps what is watched");
    }
    return snapshot;
  }
  if (record_app.parsed()) return record;
  if (audit_app.parsed()) {
    if (audit.duration && audit.no_bpf) {
      return fail(ErrorKind::usage, "--for cannot be combined with --no-bpf", "", "see 'lockscope audit --help'");
    }
    return audit;
  }
  if (doctor_app.parsed()) return doctor;
  if (run_app.parsed()) return run;
  if (trace_app.parsed()) return trace;
  return replay;
}

}  // namespace lockscope
