// SPDX-License-Identifier: Apache-2.0
// Judges tick after tick, and keeps what was found: the contention level. Live or replayed, the same bytes give the
// same findings. Called by the subcommands that watch (snapshot --for, record, replay), from one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/describe.h"
#include "app/finding_log.h"
#include "app/pipeline.h"
#include "app/tick_source.h"
#include "lockscope/lock_table.h"
#include "lockscope/report.h"

namespace lockscope {

class Stream {
 public:
  // `ticks` must outlive it. `live`: what the facts of a tick do not say is looked up on this host.
  Stream(TickSource& ticks, const Thresholds& thresholds, const ReportFilter& filter, bool live);

  struct Step {
    bool ended = false;
    std::vector<std::string> fired;  // fingerprints, to look up in findings()
  };
  // One tick. Cost: a look and its judgement.
  [[nodiscard]] Result<Step> step();

  [[nodiscard]] const FindingLog& findings() const { return log_; }
  // All that was seen so far: findings of the whole time, the most contended locks, and the waits of the last look.
  [[nodiscard]] Report report() const;

 private:
  void learn_kinds(const ContentionWindow& window, const TrustedKinds& trusted);

  TickSource& ticks_;
  Judge judge_;
  ReportFilter filter_;
  bool live_;
  LockTable locks_;
  FindingLog log_;
  std::optional<Judgement> last_;
  HostFacts facts_;  // of all ticks, for the report
  std::uint64_t began_ns_ = 0;
  std::uint64_t ended_ns_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t ticks_seen_ = 0;
  std::map<std::string, std::uint64_t> lost_;
  std::map<std::string, HookCost> hooks_;
};

}  // namespace lockscope
