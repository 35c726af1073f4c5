// SPDX-License-Identifier: Apache-2.0
// From a Judgement to a Report: indices become names. The only place that joins the model with the attribution.
// Cost: linear in the waits that are shown; a process is looked up once.
#pragma once

#include <chrono>
#include <vector>

#include "app/pipeline.h"
#include "attribution/attribution.h"
#include "lockscope/report.h"

namespace lockscope {

struct ReportFilter {
  std::vector<pid_t> pids;  // empty: everybody
  bool all = false;         // also waits that nobody in particular can end
  std::chrono::nanoseconds min_wait{0};
};

// What a finding says by itself, with none of the waits, locks and threads that it points to.
[[nodiscard]] FindingDescription describe_outline(const Finding& finding);

// `attribution` may be null: a replayed look belongs to another host, whose users and units are not known here.
[[nodiscard]] std::vector<FindingDescription> describe_findings(const Judgement& judgement, const ReportFilter& filter,
                                                                Attribution* attribution);
[[nodiscard]] Report describe(const Judgement& judgement, const ReportFilter& filter, Attribution* attribution);

}  // namespace lockscope
