// SPDX-License-Identifier: Apache-2.0
// `lockscope run`: a command at the full level, from its first instruction to its end.
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <iostream>

#include "app/child_command.h"
#include "app/report_output.h"
#include "app/subcommands.h"
#include "app/traced_session.h"

namespace lockscope {
namespace {

using Clock = std::chrono::steady_clock;

// After it was asked to end, before it is made to.
constexpr auto kGrace = std::chrono::seconds(2);

int status_of(const ChildCommand& command) {
  const int status = command.status().value_or(0);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

CommandDescription describe(const ChildCommand& command, const std::vector<std::string>& arguments) {
  CommandDescription out;
  out.arguments = arguments;
  if (!command.status()) return out;
  if (WIFSIGNALED(*command.status())) out.signal = WTERMSIG(*command.status());
  if (WIFEXITED(*command.status())) out.exit_status = WEXITSTATUS(*command.status());
  return out;
}

// What is still there of the command's children when it has ended goes on, untraced.
Result<void> watch(TracedSession& session, ChildCommand& command, const RunOptions& options) {
  std::optional<Clock::time_point> deadline, kill_at;
  if (options.timeout) deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(*options.timeout);
  const auto fired = [&](const FindingDescription& finding) {
    say("", finding.summary);
    if (!options.kill_on_deadlock || finding.severity < Severity::critical) return;
    say("", "killing the command");
    for (const pid_t pid : session.tracer().processes()) ::kill(pid, SIGKILL);
    command.kill(SIGKILL);
  };
  while (!command.serve()) {
    if (auto stepped = session.step(command.fd(), fired); !stepped) return stepped;
    const auto now = Clock::now();
    if (deadline && now >= *deadline && !kill_at) {
      say("", "the command took longer than --timeout: ending it");
      command.kill(SIGTERM);
      command.kill(SIGCONT);
      kill_at = now + kGrace;
    }
    if (kill_at && now >= *kill_at) command.kill(SIGKILL);
  }
  return {};
}

}  // namespace

Result<int> run_run(const RunOptions& options) {
  auto session = TracedSession::begin(options.trace);
  if (!session) return std::unexpected(session.error());
  auto command = ChildCommand::prepare(options.command);
  if (!command) return std::unexpected(command.error());
  if (auto expected = (*session)->tracer().expect(command->pid(), command->program()); !expected) {
    return std::unexpected(expected.error());
  }
  if (auto started = command->go(); !started) return std::unexpected(started.error());
  if (auto watched = watch(**session, *command, options); !watched) return std::unexpected(watched.error());
  auto report = (*session)->report();
  if (!report) return std::unexpected(report.error());
  report->command = describe(*command, options.command);
  const auto written = write_report_to(*report, options.trace.common, options.trace.output, options.trace.common.json);
  if (!written) return std::unexpected(written.error());
  if (*written != 0) return *written;
  return status_of(*command);
}

}  // namespace lockscope
