// SPDX-License-Identifier: Apache-2.0
// `lockscope trace`: the full level on processes that run, for a while.
#include <chrono>

#include "app/report_output.h"
#include "app/stop_signal.h"
#include "app/subcommands.h"
#include "app/traced_session.h"

namespace lockscope {

Result<int> run_trace(const TracePidsOptions& options) {
  auto session = TracedSession::begin(options.trace);
  if (!session) return std::unexpected(session.error());
  auto stop = StopSignal::block();
  if (!stop) return std::unexpected(stop.error());
  for (const pid_t pid : options.pids) {
    if (auto followed = (*session)->tracer().follow(pid); !followed) return std::unexpected(followed.error());
  }
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(options.duration);
  const auto fired = [](const FindingDescription& finding) { say("", finding.summary); };
  while (!stop->wait_until(Clock::now()) && Clock::now() < end && !(*session)->tracer().processes().empty()) {
    if (auto stepped = (*session)->step(stop->fd(), fired); !stepped) return std::unexpected(stepped.error());
  }
  auto report = (*session)->report();
  if (!report) return std::unexpected(report.error());
  return write_report_to(*report, options.trace.common, options.trace.output, true);
}

}  // namespace lockscope
