// SPDX-License-Identifier: Apache-2.0
#include "app/watch_window.h"

#include <unistd.h>

#include <memory>
#include <utility>

#include "app/live_ticks.h"
#include "app/recorded_ticks.h"
#include "app/report_output.h"
#include "app/self_test.h"
#include "app/stop_signal.h"
#include "attribution/facts_gatherer.h"
#include "source/contention_source.h"

namespace lockscope {
namespace {

Result<WatchedWindow> run(TickSource& ticks, const WatchOptions& watch, const CommonOptions& common,
                          const ReportFilter& filter, const std::function<void(const FindingDescription&)>& fired) {
  (void)watch;
  Stream stream(ticks, common.thresholds, filter, true);
  WatchedWindow result;
  while (true) {
    auto step = stream.step();
    if (!step) return std::unexpected(step.error());
    if (step->ended) break;
    ++result.ticks;
    for (const std::string& fingerprint : step->fired) {
      const FindingDescription* finding = stream.findings().find(fingerprint);
      if (fired && finding != nullptr) fired(*finding);
    }
  }
  result.report = stream.report();
  return result;
}

}  // namespace

Result<WatchedWindow> watch_window(const WatchOptions& watch, const CommonOptions& common, const ReportFilter& filter,
                                   const std::string& recording,
                                   const std::function<void(const FindingDescription&)>& fired) {
  auto stop = StopSignal::block();
  if (!stop) return std::unexpected(stop.error());
  auto self_test = SelfTest::start();
  auto chosen = choose_source(false);
  if (!chosen) return std::unexpected(chosen.error());
  ContentionSettings settings;
  if (common.min_wait.count() > 0) settings.min_wait = common.min_wait;
  settings.writes = watch.writes;
  settings.failed_creates = watch.creates;
  settings.account = watch.cost;
  auto contention = BpfContentionSource::create(settings);
  if (!contention) return std::unexpected(contention.error());

  std::unique_ptr<SharedLockProbes> probes;
  if (watch.probes) {
    auto attached = SharedLockProbes::create();
    if (attached) {
      probes = std::move(*attached);
    } else {
      chosen->notes.push_back("tries on locks in shared memory are not seen: " + attached.error().line());
    }
  }

  Attribution attribution;
  FactsGatherer facts(attribution);
  const HostDescription host = host_description();
  LiveTicks live(std::move(*chosen), std::move(*contention), std::move(probes), std::move(self_test), facts, *stop,
                 {.interval = watch.interval, .duration = watch.duration});
  Result<WatchedWindow> result = WatchedWindow{};
  if (recording.empty()) {
    result = run(live, watch, common, filter, fired);
  } else {
    auto writer = RecordingWriter::create(recording, {.tool_version = LOCKSCOPE_VERSION,
                                                      .host = host,
                                                      .thresholds = common.thresholds,
                                                      .interval = watch.interval,
                                                      .realtime_offset_ns = 0});
    if (!writer) return std::unexpected(writer.error());
    RecordingTicks recorded(live, std::move(*writer));
    result = run(recorded, watch, common, filter, fired);
    if (auto finished = recorded.writer().finish(); result && !finished) return std::unexpected(finished.error());
  }
  if (!result) return result;
  result->report.host = host;
  result->report.notes = live.notes();
  for (const std::string& note : live.self_test().distrusted()) result->report.notes.push_back(note);
  if (result->report.coverage.unreadable > 0 && ::geteuid() != 0) {
    result->report.notes.push_back("other users' processes could not be read: run it as root to see the whole host");
  }
  return result;
}

}  // namespace lockscope
