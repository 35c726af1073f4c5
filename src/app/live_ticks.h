// SPDX-License-Identifier: Apache-2.0
// Ticks of this host: each interval the window of the contention source, and a look. Backs off: a tick that took long
// puts off the next one, so that looking takes at most a twentieth of one core.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "app/self_test.h"
#include "app/sources.h"
#include "app/stop_signal.h"
#include "app/tick_source.h"
#include "source/shared_lock_probes.h"

namespace lockscope {

struct TickPace {
  std::chrono::nanoseconds interval{std::chrono::milliseconds{500}};
  std::optional<std::chrono::nanoseconds> duration;  // nothing: until a signal
};

class LiveTicks final : public TickSource {
 public:
  // `facts` and `stop` must outlive it; `probes` may be null: then what is done to shared memory without waiting is not
  // seen. The first tick is due at once, the last when the duration is over.
  LiveTicks(ChosenSource chosen, std::unique_ptr<ContentionSource> contention, std::unique_ptr<SharedLockProbes> probes,
            std::unique_ptr<SelfTest> self_test, FactsProvider& facts, StopSignal& stop, const TickPace& pace);

  [[nodiscard]] Result<std::optional<Tick>> next() override;
  [[nodiscard]] LiveMemory& memory() override { return *chosen_.memory; }
  [[nodiscard]] FactsProvider& facts() override { return facts_; }
  [[nodiscard]] Result<void> judged(const HostFacts&) override;

  [[nodiscard]] const SelfTest& self_test() const { return *self_test_; }
  [[nodiscard]] std::vector<std::string>& notes() { return chosen_.notes; }

 private:
  using Clock = std::chrono::steady_clock;

  ChosenSource chosen_;
  std::unique_ptr<ContentionSource> contention_;
  std::unique_ptr<SharedLockProbes> probes_;
  std::unique_ptr<SelfTest> self_test_;
  FactsProvider& facts_;
  StopSignal& stop_;
  TickPace pace_;
  TrustedKinds trusted_;
  Clock::time_point started_;
  Clock::time_point tick_began_;
  Clock::time_point due_;
  bool first_ = true;
  bool over_ = false;
};

}  // namespace lockscope
