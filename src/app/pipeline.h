// SPDX-License-Identifier: Apache-2.0
// Looks, compares, judges: source -> classify -> model -> detect. Knows no exporter and no command line.
// Called by the subcommands, from one thread. Cost: two looks and the time between them.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "classify/classify.h"
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
  std::vector<Finding> findings;       // indices point into `now`
};

// Sees each look before it is classified: the self-test takes its own threads out of the first, a recorder keeps both.
// The kinds trusted are those of the first look.
class LookFilter {
 public:
  virtual ~LookFilter() = default;
  virtual TrustedKinds examine(RawSample& raw, ProcessMemory& memory) = 0;
};

// `filter` may be null. With a replayed source nothing is waited for: the recorded looks carry their own times.
[[nodiscard]] Result<Judgement> look_and_judge(Source& source, const LookSettings& settings, LookFilter* filter,
                                               bool replayed);

}  // namespace lockscope
