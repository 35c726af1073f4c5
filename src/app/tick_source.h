// SPDX-License-Identifier: Apache-2.0
// Where ticks come from: the host, as they fall due (live_ticks.h), or a recording, as fast as they can be judged
// (recorded_ticks.h). Called by stream.cpp only, from one thread.
#pragma once

#include <optional>

#include "classify/classify.h"
#include "lockscope/contention.h"
#include "lockscope/raw_sample.h"
#include "lockscope/result.h"
#include "lockscope/source.h"

namespace lockscope {

struct Tick {
  ContentionWindow window;
  RawSample look;  // taken at the end of the window
  TrustedKinds trusted;
};

class TickSource {
 public:
  virtual ~TickSource() = default;
  // The next tick; waits for it where it is not due. Nothing: there is none any more.
  [[nodiscard]] virtual Result<std::optional<Tick>> next() = 0;
  // For the tick that was given last.
  [[nodiscard]] virtual ProcessMemory& memory() = 0;
  [[nodiscard]] virtual FactsProvider& facts() = 0;
  // After a tick was judged: all that was asked for it is known. A recorder writes it now.
  [[nodiscard]] virtual Result<void> judged(const HostFacts& facts) = 0;
};

}  // namespace lockscope
