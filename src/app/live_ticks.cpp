// SPDX-License-Identifier: Apache-2.0
#include "app/live_ticks.h"

#include <algorithm>
#include <utility>

namespace lockscope {
namespace {

constexpr int kIdlePerBusy = 19;  // a twentieth of a core at most

// Somebody was kept from a file lock without waiting for it, or wrote past it: who holds it must be read now.
bool needs_holders(const ContentionWindow& window) {
  return !window.writes.empty() || std::ranges::any_of(window.file_locks, [](const FileLockUse& use) {
    return use.failed > 0 || use.deadlocks > 0;
  });
}

}  // namespace

LiveTicks::LiveTicks(ChosenSource chosen, std::unique_ptr<ContentionSource> contention,
                     std::unique_ptr<SharedLockProbes> probes, std::unique_ptr<SelfTest> self_test,
                     FactsProvider& facts, StopSignal& stop, const TickPace& pace)
    : chosen_(std::move(chosen)), contention_(std::move(contention)), probes_(std::move(probes)),
      self_test_(std::move(self_test)), facts_(facts), stop_(stop), pace_(pace), started_(Clock::now()),
      tick_began_(started_), due_(started_) {}

Result<std::optional<Tick>> LiveTicks::next() {
  if (over_) return std::nullopt;
  // Interrupted: one last tick, so that nothing that was counted is lost.
  over_ = stop_.wait_until(due_);
  tick_began_ = Clock::now();
  if (pace_.duration && tick_began_ >= started_ + *pace_.duration) over_ = true;

  Tick tick;
  auto window = contention_->collect();
  if (!window) return std::unexpected(window.error());
  tick.window = std::move(*window);
  if (probes_) probes_->collect(tick.window.shared_locks, tick.window.lost);
  chosen_.source->want_file_locks(needs_holders(tick.window));
  auto look = chosen_.source->sample();
  if (!look) return std::unexpected(look.error());
  tick.look = std::move(*look);
  if (probes_) probes_->update(tick.look);
  if (std::exchange(first_, false)) trusted_ = self_test_->examine(tick.look, memory());
  tick.trusted = trusted_;
  return tick;
}

Result<void> LiveTicks::judged(const HostFacts&) {
  const auto now = Clock::now();
  due_ = std::max(tick_began_ + std::chrono::duration_cast<Clock::duration>(pace_.interval),
                  now + kIdlePerBusy * (now - tick_began_));
  if (pace_.duration) {
    due_ = std::min(due_, started_ + std::chrono::duration_cast<Clock::duration>(*pace_.duration));
  }
  return {};
}

}  // namespace lockscope
