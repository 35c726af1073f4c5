// SPDX-License-Identifier: Apache-2.0
// `lockscope replay FILE`: the same judgement over what was recorded, on any machine, as any user. FILE is a recording
// (`record`) or a text trace of two looks (`snapshot --save`).
#include "app/describe.h"
#include "app/recorded_ticks.h"
#include "app/report_output.h"
#include "app/stream.h"
#include "app/subcommands.h"
#include "source/replay_source.h"

namespace lockscope {
namespace {

Result<int> replay_trace(const ReplayOptions& options) {
  auto looks = read_trace_file(options.file);
  if (!looks) return std::unexpected(looks.error());
  ReplaySource source(std::move(*looks));
  const LookSettings settings{.confirm = {}, .thresholds = options.common.thresholds};
  auto judgement = look_and_judge(source, settings, nullptr, nullptr, true);
  if (!judgement) return std::unexpected(judgement.error());
  // Users, units and paths are those of the host that was looked at: not known here.
  Report report = describe(*judgement, {{}, options.all, options.common.min_wait}, nullptr);
  report.source = "replay";
  return write_report(report, options.common, options.all);
}

Result<int> replay_recording(const ReplayOptions& options) {
  auto reader = RecordingReader::open(options.file);
  if (!reader) return std::unexpected(reader.error());
  const HostDescription host = reader->header().host;
  // As it was judged when it was recorded, but for what is asked for now.
  Thresholds thresholds = options.common.thresholds;
  const Thresholds& recorded = reader->header().thresholds;
  if (!thresholds.long_hold_set) {
    thresholds.long_hold = recorded.long_hold;
    thresholds.long_hold_set = recorded.long_hold_set;
  }
  if (!options.starved_set) thresholds.starved = recorded.starved;
  if (thresholds.allowed.empty()) thresholds.allowed = recorded.allowed;
  RecordedTicks ticks(std::move(*reader));
  Stream stream(ticks, thresholds, {{}, options.all, options.common.min_wait}, false);
  while (true) {
    auto step = stream.step();
    if (!step) return std::unexpected(step.error());
    if (step->ended) break;
  }
  Report report = stream.report();
  report.host = host;
  report.source = "replay";
  if (const auto& truncated = ticks.reader().truncated()) report.notes.push_back(*truncated);
  for (const std::string& note : report.notes) say("note: ", note);
  return write_report(report, options.common, options.all);
}

}  // namespace

Result<int> run_replay(const ReplayOptions& options) {
  return is_recording(options.file) ? replay_recording(options) : replay_trace(options);
}

}  // namespace lockscope
