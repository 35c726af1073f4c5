// SPDX-License-Identifier: Apache-2.0
#include "app/traced_session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <set>
#include <utility>

#include "app/default_suppressions.h"
#include "app/describe.h"
#include "app/report_output.h"
#include "app/trace_report.h"
#include "classify/classify.h"
#include "model/lock_profile.h"
#include "source/clocks.h"
#include "symbols/trace_names.h"

namespace lockscope {
namespace {

constexpr auto kKeepUp = std::chrono::milliseconds(50);
constexpr auto kLookEvery = std::chrono::milliseconds(200);
constexpr std::size_t kProfileClasses = 20;

// Findings of a look that say that somebody is stuck for good.
bool is_stuck(const FindingDescription& finding) {
  return finding.confidence == Confidence::confirmed &&
         (finding.kind == "deadlock" || finding.kind == "self_deadlock" || finding.kind == "abandoned_lock");
}

}  // namespace

TracedSession::TracedSession(const TraceOptions& options)
    : options_(options), judge_(options.common.thresholds), next_look_(Clock::now() + kLookEvery) {}

Result<std::unique_ptr<TracedSession>> TracedSession::begin(const TraceOptions& options) {
  std::unique_ptr<TracedSession> session(new TracedSession(options));
  if (auto known = Suppressions::parse(kDefaultSuppressions, "default suppressions")) {
    session->known_ = std::move(*known);
  }
  if (!options.suppressions.empty()) {
    auto read = Suppressions::read(options.suppressions);
    if (!read) return std::unexpected(read.error());
    session->suppressions_ = std::move(*read);
  }
  session->self_test_ = SelfTest::start();
  TracerSettings settings;
  settings.long_hold = options.common.thresholds.long_hold;
  auto tracer = LockTracer::create(settings);
  if (!tracer) return std::unexpected(tracer.error());
  session->tracer_ = std::move(*tracer);
  auto chosen = choose_source(false);
  if (!chosen) return std::unexpected(chosen.error());
  session->chosen_ = std::move(*chosen);
  session->began_ns_ = clock_ns(CLOCK_BOOTTIME);
  session->realtime_offset_ns_ = clock_ns(CLOCK_REALTIME) - session->began_ns_;
  return session;
}

Result<void> TracedSession::step(int other, const std::function<void(const FindingDescription&)>& fired) {
  std::array<pollfd, 2> ready{pollfd{other, POLLIN, 0}, pollfd{tracer_->wake_fd(), POLLIN, 0}};
  ::poll(ready.data(), ready.size(), static_cast<int>(kKeepUp.count()));
  tracer_->update();
  if (Clock::now() < next_look_) return {};
  auto looked = look(fired);
  next_look_ = Clock::now() + kLookEvery;
  return looked;
}

Result<void> TracedSession::look(const std::function<void(const FindingDescription&)>& fired) {
  auto raw = chosen_.source->sample();
  if (!raw) return std::unexpected(raw.error());
  if (first_look_) {
    trusted_ = self_test_->examine(*raw, chosen_.source->memory());
    first_look_ = false;
  }
  coverage_ = raw->coverage;
  auto now = std::make_unique<Sample>(classify(std::move(*raw), chosen_.source->memory(), trusted_));
  // An empty filter would let the findings of the whole host through.
  if (const auto traced = tracer_->processes(); before_ && !traced.empty()) {
    const Judgement judgement = judge_.judge(*before_, *now, {}, nullptr, nullptr);
    auto findings = describe_findings(judgement, {traced, false, std::chrono::nanoseconds{0}}, &attribution_);
    std::erase_if(findings, [](const FindingDescription& f) { return !is_stuck(f); });
    for (const std::string& fingerprint : stuck_.update(std::move(findings), std::chrono::system_clock::now())) {
      const FindingDescription* finding = stuck_.find(fingerprint);
      if (finding != nullptr && !suppressions_.match(*finding)) fired(*finding);
    }
  }
  before_ = std::move(now);
  return {};
}

void TracedSession::suppress(Report& report) {
  const std::size_t before = report.findings.size();
  std::set<std::string> names;
  std::erase_if(report.findings, [&](const FindingDescription& f) {
    auto name = suppressions_.match(f);
    if (!name) name = known_.match(f);
    if (name) names.insert(*name);
    return name.has_value();
  });
  const std::size_t gone = before - report.findings.size();
  report.findings_suppressed = gone;
  if (gone == 0) return;
  report.notes.push_back(
      fmt::format("{} finding{} suppressed by: {}", gone, gone == 1 ? "" : "s", fmt::join(names, ", ")));
}

Result<Report> TracedSession::report() {
  auto trace = tracer_->finish();
  if (!trace) return std::unexpected(trace.error());
  ElfTraceNames names(*trace);
  Report report;
  report.host = host_description();
  report.level = "full";
  report.source = "bpf";
  report.taken = std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::system_clock::duration>(
      std::chrono::nanoseconds(realtime_offset_ns_ + began_ns_)));
  report.duration = std::chrono::nanoseconds(trace->ended_ns - began_ns_);
  report.realtime_offset_ns = realtime_offset_ns_;
  report.coverage = coverage_;
  report.coverage.lost_events = trace->lost;
  report.findings = stuck_.all();
  for (FindingDescription& finding : judge_trace(*trace, names, options_.common.thresholds, realtime_offset_ns_)) {
    report.findings.push_back(std::move(finding));
  }
  std::ranges::stable_sort(report.findings, std::ranges::greater{}, &FindingDescription::severity);
  report.profile = profile_locks(*trace, names, kProfileClasses);
  suppress(report);
  if (!tracer_->probed_anything() || trace->images.empty()) {
    report.notes.push_back("no lock function was called: nothing was traced (see 'lockscope doctor')");
  }
  return report;
}

}  // namespace lockscope
