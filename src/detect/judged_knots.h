// SPDX-License-Identifier: Apache-2.0
// Which knots of the three solutions are worth a finding, and how sure that is. Shared by the detectors that report
// knots: deadlock (cycles of two and more) and self_deadlock (cycles of one). Pure; linear in the knots.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "detect/catalog.h"
#include "lockscope/detector.h"

namespace lockscope {

struct JudgedKnot {
  const Knot* knot = nullptr;
  Severity severity = Severity::critical;
  Confidence confidence = Confidence::confirmed;
  std::optional<std::uint64_t> age_ns{};  // since when its youngest wait stands: a lower bound
  bool will_time_out = false;
  std::optional<std::uint64_t> times_out_in_ns{};
  bool rests_on_timed_waits = false;  // only threads that wait with a timeout could still end it
  bool rests_on_sleepers = false;     // only threads that have slept through both looks could still end it
};

[[nodiscard]] std::vector<JudgedKnot> judge_knots(const SampleView& view);

// Whether a wait with a timeout is long enough to matter: as long as the threshold, or that long already.
[[nodiscard]] bool times_out_late(const SampleView& view, const Wait& wait);

// All of the finding but its sentences.
[[nodiscard]] Finding finding_of(const CatalogEntry& entry, const SampleView& view, const JudgedKnot& judged);

// Evidence that every finding carries: how the two looks agree, and how its edges are known.
void add_common_evidence(const SampleView& view, std::span<const std::size_t> waits, Finding& finding);

// Processes with threads that sleep but could still remove an obstacle of these waits: "app (12), db (30)".
[[nodiscard]] std::string sleeping_helpers(const SampleView& view, std::span<const std::size_t> waits);

}  // namespace lockscope
