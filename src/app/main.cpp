// SPDX-License-Identifier: Apache-2.0
// Chooses the subcommand and turns what it returns into an exit status. Nothing else.
#include <csignal>
#include <cstdio>
#include <exception>

#include "app/options.h"
#include "app/report_output.h"
#include "app/subcommands.h"

namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace

int main(int argc, char** argv) {
  using namespace lockscope;
  std::signal(SIGPIPE, SIG_IGN);  // a closed reader is a write error, not a death in the middle of a report
  try {
    const auto command = parse_command_line(argc, argv);
    if (!command) {
      say("", command.error().line());
      return command.error().exit_status();
    }
    const Result<int> status = std::visit(
        Overloaded{
            [](const SnapshotOptions& o) { return run_snapshot(o); },
            [](const RecordOptions& o) { return run_record(o); }, [](const AuditOptions& o) { return run_audit(o); },
            [](const DoctorOptions& o) { return run_doctor(o); }, [](const ReplayOptions& o) { return run_replay(o); },
            [](const RunOptions& o) { return run_run(o); }, [](const TracePidsOptions& o) { return run_trace(o); },
            [](const PrintAndExit& p) -> Result<int> {
              return std::fputs(p.text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 3 : 0;
            }},
        *command);
    if (status) return *status;
    say("", status.error().line());
    return status.error().exit_status();
  } catch (const std::exception& e) {  // memory exhausted, or a bug of ours
    say("internal error: ", e.what());
    return 3;
  }
}
