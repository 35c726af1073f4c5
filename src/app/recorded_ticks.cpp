// SPDX-License-Identifier: Apache-2.0
#include "app/recorded_ticks.h"

#include <utility>

namespace lockscope {

Result<std::optional<Tick>> RecordedTicks::next() {
  auto recorded = reader_.next();
  if (!recorded) return std::unexpected(recorded.error());
  if (!*recorded) return std::nullopt;
  log_ = std::move((*recorded)->memory);
  memory_.restart(log_);
  facts_ = std::move((*recorded)->facts);
  return Tick{std::move((*recorded)->window), std::move((*recorded)->look), (*recorded)->trusted};
}

Result<std::optional<Tick>> RecordingTicks::next() {
  auto tick = live_.next();
  if (tick && *tick) tick_ = **tick;
  return tick;
}

Result<void> RecordingTicks::judged(const HostFacts& facts) {
  const RecordedTick recorded{.window = std::move(tick_.window),
                              .look = std::move(tick_.look),
                              .memory = live_.memory().log(),
                              .facts = facts,
                              .trusted = tick_.trusted};
  if (auto written = writer_.write_tick(recorded); !written) return written;
  return live_.judged(facts);
}

}  // namespace lockscope
