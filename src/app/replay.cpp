// SPDX-License-Identifier: Apache-2.0
// `lockscope replay FILE`: the same pipeline over looks that were saved, on any machine, as any user.
#include "app/describe.h"
#include "app/report_output.h"
#include "app/subcommands.h"
#include "source/replay_source.h"

namespace lockscope {

Result<int> run_replay(const ReplayOptions& options) {
  auto looks = read_trace_file(options.file);
  if (!looks) return std::unexpected(looks.error());
  ReplaySource source(std::move(*looks));
  const LookSettings settings{.confirm = {}, .thresholds = options.common.thresholds};
  auto judgement = look_and_judge(source, settings, nullptr, true);
  if (!judgement) return std::unexpected(judgement.error());
  // Users, units and paths are those of the host that was looked at: not known here.
  Report report = describe(*judgement, {{}, options.all, options.common.min_wait}, nullptr);
  report.source = "replay";
  return write_report(report, options.common, options.all);
}

}  // namespace lockscope
