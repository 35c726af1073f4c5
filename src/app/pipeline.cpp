// SPDX-License-Identifier: Apache-2.0
#include "app/pipeline.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace lockscope {
namespace {

// Only a wait whose end somebody known has to bring about can be part of a finding.
bool worth_confirming(const Sample& sample) {
  return std::ranges::any_of(sample.waits,
                             [](const Wait& w) { return !w.obstacles.empty() || w.owner_gone != OwnerGone::no; });
}

}  // namespace

Judge::Judge(Thresholds thresholds) : thresholds_(std::move(thresholds)) {
  for (const CatalogEntry& entry : detector_catalog()) {
    if (!entry.on_request) detectors_.push_back(entry.make());
  }
}

Judgement Judge::judge(const Sample& before, Sample now, const ContentionWindow& window, FactsProvider* facts,
                       const LockTable* locks) const {
  Judgement result;
  result.now = std::move(now);
  result.between = std::chrono::nanoseconds(result.now.raw.taken_ns - before.raw.taken_ns);
  Comparison comparison = compare_looks(before, result.now);
  result.standing = comparison.standing;
  for (std::size_t i = 0; i < result.now.waits.size(); ++i) {
    // A source that cannot tell since when: at least since the first look.
    Wait& wait = result.now.waits[i];
    if (comparison.standing[i] && !wait.blocked_ns) {
      wait.blocked_ns = static_cast<std::uint64_t>(result.between.count());
    }
  }
  if (facts != nullptr) result.facts = facts->gather(result.now, window);
  const WaitForGraph graph(result.now, std::move(comparison.standing), std::move(comparison.quiet));
  const SampleView view{.sample = result.now,
                        .graph = graph,
                        .proof = graph.solve(Strictness::proof),
                        .timeouts = graph.solve(Strictness::timeouts),
                        .suspicion = graph.solve(Strictness::suspicion),
                        .thresholds = thresholds_,
                        .facts = result.facts,
                        .locks = locks,
                        .window = locks == nullptr ? nullptr : &window};
  for (const auto& detector : detectors_) detector->on_sample(view, result.findings);
  return result;
}

Result<Judgement> look_and_judge(Source& source, const LookSettings& settings, LookFilter* filter, FactsProvider* facts,
                                 bool replayed) {
  auto raw = source.sample();
  if (!raw) return std::unexpected(raw.error());
  TrustedKinds trusted;
  if (filter != nullptr) trusted = filter->examine(*raw, source.memory());

  Sample first = classify(std::move(*raw), source.memory(), trusted);
  if (!worth_confirming(first)) {
    Judgement result;
    result.standing.assign(first.waits.size(), false);
    result.now = std::move(first);
    return result;
  }
  if (!replayed) std::this_thread::sleep_for(settings.confirm);
  raw = source.sample();
  if (!raw) return std::unexpected(raw.error());
  if (filter != nullptr) filter->examine(*raw, source.memory());
  Sample second = classify(std::move(*raw), source.memory(), trusted);
  return Judge(settings.thresholds).judge(first, std::move(second), {}, facts, nullptr);
}

}  // namespace lockscope
