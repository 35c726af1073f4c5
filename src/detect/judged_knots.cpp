// SPDX-License-Identifier: Apache-2.0
#include "detect/judged_knots.h"

#include <algorithm>
#include <set>

#include "detect/fingerprint.h"
#include "detect/wording.h"

namespace lockscope {
namespace {

std::uint64_t threshold_ns(const SampleView& view) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(view.thresholds.long_hold.count(), 0));
}

std::optional<std::uint64_t> age_of(const Sample& sample, std::span<const std::size_t> cycle) {
  std::optional<std::uint64_t> youngest;
  for (const std::size_t w : cycle) {
    const std::optional<std::uint64_t> age = sample.waits[w].blocked_ns;
    if (!age) return {};
    youngest = std::min(youngest.value_or(*age), *age);
  }
  return youngest;
}

// Knots already judged, by the waits in them.
class Seen {
 public:
  explicit Seen(std::size_t waits) : seen_(waits, false) {}
  [[nodiscard]] bool any(const Knot& knot) const {
    return std::ranges::any_of(knot.members, [&](std::size_t w) { return seen_[w]; });
  }
  void add(const Knot& knot) {
    for (const std::size_t w : knot.members) seen_[w] = true;
  }

 private:
  std::vector<bool> seen_;
};

// A knot that stands only until a timeout strikes; nothing if that is too soon to matter.
std::optional<JudgedKnot> judge_timed(const SampleView& view, const Knot& knot) {
  JudgedKnot judged{.knot = &knot, .age_ns = age_of(view.sample, knot.cycle)};
  const bool stands_long = judged.age_ns && *judged.age_ns >= threshold_ns(view);
  bool all_late = true;
  for (const std::size_t w : knot.cycle) {
    const Wait& wait = view.sample.waits[w];
    if (!wait.timed) continue;
    judged.will_time_out = true;
    all_late = all_late && times_out_late(view, wait);
    if (!wait.deadline_ns) continue;
    if (*wait.deadline_ns <= view.sample.raw.taken_ns) return {};  // it is about to end
    const std::uint64_t left = *wait.deadline_ns - view.sample.raw.taken_ns;
    judged.times_out_in_ns = std::min(judged.times_out_in_ns.value_or(left), left);
  }
  if (judged.will_time_out) {
    if (!all_late && !stands_long) return {};
    judged.severity = Severity::warning;
  } else {
    if (!stands_long) return {};
    judged.confidence = Confidence::likely;
    judged.rests_on_timed_waits = true;
  }
  return judged;
}

}  // namespace

bool times_out_late(const SampleView& view, const Wait& wait) {
  if (wait.blocked_ns && *wait.blocked_ns >= threshold_ns(view)) return true;
  if (!wait.deadline_ns || *wait.deadline_ns <= view.sample.raw.taken_ns) return false;
  return *wait.deadline_ns - view.sample.raw.taken_ns + wait.blocked_ns.value_or(0) >= threshold_ns(view);
}

std::vector<JudgedKnot> judge_knots(const SampleView& view) {
  std::vector<JudgedKnot> result;
  Seen seen(view.sample.waits.size());
  for (const Knot& knot : view.proof.knots) {
    result.push_back({.knot = &knot, .age_ns = age_of(view.sample, knot.cycle)});
    seen.add(knot);
  }
  for (const Knot& knot : view.timeouts.knots) {
    if (seen.any(knot)) continue;
    const std::optional<JudgedKnot> judged = judge_timed(view, knot);
    if (!judged) continue;
    result.push_back(*judged);
    seen.add(knot);
  }
  for (const Knot& knot : view.suspicion.knots) {
    const std::optional<std::uint64_t> age = age_of(view.sample, knot.cycle);
    if (seen.any(knot) || !age || *age < threshold_ns(view)) continue;
    result.push_back({.knot = &knot, .confidence = Confidence::likely, .age_ns = age, .rests_on_sleepers = true});
    seen.add(knot);
  }
  return result;
}

Finding finding_of(const CatalogEntry& entry, const SampleView& view, const JudgedKnot& judged) {
  const Knot& knot = *judged.knot;
  Finding finding;
  finding.kind = entry.name;
  finding.cwe = entry.cwe;
  finding.severity = judged.severity;
  finding.confidence = judged.confidence;
  finding.fingerprint = fingerprint_of(entry.name, view.sample, knot.cycle);
  finding.cycle = knot.cycle;
  finding.victims.assign(knot.members.begin() + static_cast<std::ptrdiff_t>(knot.cycle.size()), knot.members.end());
  finding.victims.insert(finding.victims.end(), knot.victims.begin(), knot.victims.end());
  finding.age_ns = judged.age_ns;
  add_common_evidence(view, knot.cycle, finding);
  if (judged.will_time_out) finding.evidence.emplace_back("will_time_out", true);
  if (judged.times_out_in_ns) {
    finding.evidence.emplace_back("times_out_in_ms", static_cast<std::int64_t>(*judged.times_out_in_ns / 1'000'000));
  }
  if (judged.rests_on_timed_waits) finding.evidence.emplace_back("rests_on_timed_waits", true);
  if (judged.rests_on_sleepers) {
    finding.evidence.emplace_back("rests_on_sleepers", true);
    const std::string helpers = sleeping_helpers(view, knot.cycle);
    if (!helpers.empty()) finding.evidence.emplace_back("sleepers_that_could_help", helpers);
  }
  return finding;
}

void add_common_evidence(const SampleView& view, std::span<const std::size_t> waits, Finding& finding) {
  std::set<std::string> edges;
  for (const std::size_t w : waits) {
    for (const Obstacle& obstacle : view.sample.waits[w].obstacles) edges.insert(name_of(obstacle.evidence));
  }
  std::string names;
  for (const std::string& edge : edges) names += (names.empty() ? "" : ", ") + edge;
  finding.evidence.emplace_back("looks", std::int64_t{2});
  finding.evidence.emplace_back("switch_counts_unchanged", true);
  if (!names.empty()) finding.evidence.emplace_back("edges", names);
}

std::string sleeping_helpers(const SampleView& view, std::span<const std::size_t> waits) {
  const std::vector<Thread>& threads = view.sample.raw.threads;
  std::vector<bool> idle(threads.size(), true);
  for (std::size_t w = 0; w < view.sample.waits.size(); ++w) {
    if (view.suspicion.stuck[w]) idle[view.sample.waits[w].thread] = false;
  }
  for (const std::size_t t : view.sample.inert) idle[t] = false;
  std::set<pid_t> with_idle;
  for (std::size_t t = 0; t < threads.size(); ++t) {
    if (idle[t]) with_idle.insert(threads[t].pid);
  }
  std::set<pid_t> helpers;
  for (const std::size_t w : waits) {
    for (const Obstacle& obstacle : view.sample.waits[w].obstacles) {
      for (const Releaser& releaser : obstacle.any_of) {
        const bool process = releaser.scope == Releaser::Scope::any_thread_of_process;
        if (process && with_idle.contains(releaser.pid)) helpers.insert(releaser.pid);
      }
    }
  }
  std::string names;
  for (const pid_t pid : helpers) names += (names.empty() ? "" : ", ") + name_process(view.sample, pid);
  return names;
}

}  // namespace lockscope
