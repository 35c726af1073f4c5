// SPDX-License-Identifier: Apache-2.0
// Looks, compares, judges: source -> classify -> model -> detect. Knows no exporter and no command line.
// Called by the subcommands, from one thread. Cost: two looks and the time between them.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "classify/classify.h"
#include "detect/catalog.h"
#include "lockscope/detector.h"
#include "lockscope/source.h"

namespace lockscope {

struct LookSettings {
  std::chrono::nanoseconds confirm{std::chrono::milliseconds{100}};
  Thresholds thresholds;
};

// What two looks showed. `now` is the later look, or the only one where the first had nothing to confirm.
struct Judgement {
  Sample now;
  std::vector<bool> standing;          // by now.waits
  std::chrono::nanoseconds between{};  // from look to look; 0: one look sufficed
  HostFacts facts;
  std::vector<Finding> findings;  // indices point into `now`
};

// All detectors but those that are run on request only, made once and asked look after look.
class Judge {
 public:
  explicit Judge(Thresholds thresholds);

  // `facts` are gathered between comparing and judging; it may be null: then nothing is known of trust. `locks` may be
  // null: nothing was watched. Cost: linear in the waits, and that of the facts.
  [[nodiscard]] Judgement judge(const Sample& before, Sample now, const ContentionWindow& window, FactsProvider* facts,
                                const LockTable* locks) const;

 private:
  Thresholds thresholds_;
  std::vector<std::unique_ptr<Detector>> detectors_;
};

// Sees each look before it is classified: the self-test takes its own threads out of the first, a recorder keeps both.
// The kinds trusted are those of the first look.
class LookFilter {
 public:
  virtual ~LookFilter() = default;
  virtual TrustedKinds examine(RawSample& raw, ProcessMemory& memory) = 0;
};

// `filter` and `facts` may be null. With a replayed source nothing is waited for: the recorded looks carry their own
// times.
[[nodiscard]] Result<Judgement> look_and_judge(Source& source, const LookSettings& settings, LookFilter* filter,
                                               FactsProvider* facts, bool replayed);

}  // namespace lockscope
