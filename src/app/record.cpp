// SPDX-License-Identifier: Apache-2.0
// `lockscope record`: keeps every tick in a file until the time is over or it is interrupted.
#include <fmt/format.h>

#include "app/report_output.h"
#include "app/subcommands.h"
#include "app/watch_window.h"

namespace lockscope {

Result<int> run_record(const RecordOptions& options) {
  auto watched = watch_window(options.watch, options.common, {}, options.file, {});
  if (!watched) return std::unexpected(watched.error());
  const Report& report = watched->report;
  for (const std::string& note : report.notes) say("note: ", note);
  if (options.common.quiet) return 0;
  std::uint64_t lost = 0;
  for (const auto& [cause, count] : report.coverage.lost_events) lost += count;
  say("", fmt::format("{}: {} ticks, {} contended waits, {} findings, {} lost events; see 'lockscope replay {}'",
                      options.file, watched->ticks, report.contention ? report.contention->waits : 0,
                      report.findings.size(), lost, options.file));
  return 0;
}

}  // namespace lockscope
