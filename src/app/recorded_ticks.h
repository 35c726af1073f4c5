// SPDX-License-Identifier: Apache-2.0
// Ticks from a recording, and ticks that are recorded as they are judged: the two ends of src/recording/recording.h.
// Used by replay.cpp and watch_window.cpp.
#pragma once

#include <optional>

#include "app/live_ticks.h"
#include "app/tick_source.h"
#include "recording/recording.h"
#include "source/replay_source.h"

namespace lockscope {

// Gives what was recorded, and for each tick the memory and the facts that go with it.
class RecordedTicks final : public TickSource, public FactsProvider {
 public:
  explicit RecordedTicks(RecordingReader reader) : reader_(std::move(reader)), memory_(log_) {}

  [[nodiscard]] Result<std::optional<Tick>> next() override;
  [[nodiscard]] ProcessMemory& memory() override { return memory_; }
  [[nodiscard]] FactsProvider& facts() override { return *this; }
  [[nodiscard]] Result<void> judged(const HostFacts&) override { return {}; }
  [[nodiscard]] HostFacts gather(const Sample&, const ContentionWindow&) override { return facts_; }

  [[nodiscard]] const RecordingReader& reader() const { return reader_; }

 private:
  RecordingReader reader_;
  MemoryLog log_;
  ReplayMemory memory_;
  HostFacts facts_;
};

// Passes live ticks on, and writes each once it was judged: then all that was asked for it is known.
class RecordingTicks final : public TickSource {
 public:
  // `live` must outlive it.
  RecordingTicks(LiveTicks& live, RecordingWriter writer) : live_(live), writer_(std::move(writer)) {
    live_.memory().keep_log();
  }

  [[nodiscard]] Result<std::optional<Tick>> next() override;
  [[nodiscard]] ProcessMemory& memory() override { return live_.memory(); }
  [[nodiscard]] FactsProvider& facts() override { return live_.facts(); }
  [[nodiscard]] Result<void> judged(const HostFacts& facts) override;

  [[nodiscard]] RecordingWriter& writer() { return writer_; }

 private:
  LiveTicks& live_;
  RecordingWriter writer_;
  Tick tick_;
};

}  // namespace lockscope
