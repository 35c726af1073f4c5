// SPDX-License-Identifier: Apache-2.0
#include "model/order_events.h"

#include <algorithm>

namespace lockscope {
namespace {

// Barriers passed between two moments that are looked at; with more, the moments count as ordered.
constexpr std::size_t kMostPasses = 4096;

}  // namespace

OrderEvents::OrderEvents(const LockTrace& trace)
    : trace_(trace), first_gate_(trace.chains.size() + 1, 0), passes_(trace.threads.size()) {
  for (std::size_t c = 0; c < trace.chains.size(); ++c) {
    first_gate_[c] = gates_.size();
    for (const Acquisition& held : trace.chains[c].held) gates_.push_back({held.lock, held.mode == Mode::shared});
    std::sort(gates_.begin() + static_cast<std::ptrdiff_t>(first_gate_[c]), gates_.end(),
              [](const Gate& a, const Gate& b) { return a.lock != b.lock ? a.lock < b.lock : a.shared < b.shared; });
  }
  first_gate_.back() = gates_.size();
  for (const BarrierPass& pass : trace.barriers) {
    if (pass.thread >= passes_.size() || pass.left_ns < pass.arrived_ns) continue;
    passes_[pass.thread].push_back({pass.barrier, pass.arrived_ns, pass.left_ns});
  }
  for (auto& passes : passes_) std::ranges::sort(passes, {}, &Pass::arrived_ns);
  for (const LockLife& life : trace.lives) {
    boundaries_[life.lock].push_back(life.time_ns);
    if (life.begins) initialised_.emplace(life.lock, life.time_ns);
  }
  for (auto& [lock, times] : boundaries_) std::ranges::sort(times);
}

bool OrderEvents::can_meet(const OrderEvent& one, const OrderEvent& other) const {
  const std::size_t thread = trace_.chains[one.chain].thread;
  const std::size_t other_thread = trace_.chains[other.chain].thread;
  if (thread == other_thread || !lived(thread, other.time_ns) || !lived(other_thread, one.time_ns)) return false;
  if (share_gate(one, other)) return false;
  return !before_by_barrier(one, other) && !before_by_barrier(other, one);
}

bool OrderEvents::blocks(const OrderEvent& waiter, const OrderEvent& holder) const {
  return modes_conflict(waiter, holder) &&
         one_life(trace_.chains[waiter.chain].wanted.lock, waiter.time_ns, holder.time_ns);
}

bool OrderEvents::modes_conflict(const OrderEvent& waiter, const OrderEvent& holder) const {
  return trace_.chains[waiter.chain].wanted.mode != Mode::shared ||
         trace_.chains[holder.chain].held[holder.held].mode != Mode::shared;
}

bool OrderEvents::share_gate(const OrderEvent& one, const OrderEvent& other) const {
  std::size_t a = first_gate_[one.chain];
  std::size_t b = first_gate_[other.chain];
  const std::size_t a_end = first_gate_[one.chain + 1];
  const std::size_t b_end = first_gate_[other.chain + 1];
  while (a < a_end && b < b_end) {
    if (gates_[a].lock < gates_[b].lock) {
      ++a;
    } else if (gates_[b].lock < gates_[a].lock) {
      ++b;
    } else {
      if (!gates_[a].shared || !gates_[b].shared) return true;
      ++a;
      ++b;
    }
  }
  return false;
}

bool OrderEvents::lived(std::size_t thread, std::uint64_t time_ns) const {
  const TracedThread& t = trace_.threads[thread];
  return t.start_ns < time_ns && (!t.ended_ns || time_ns < *t.ended_ns);
}

// Each arrival of an episode is before each leaving, so passes of one episode overlap. Two threads can overlap in two
// episodes that follow each other as well, but only with the earlier one of the first thread: the order is the same.
bool OrderEvents::before_by_barrier(const OrderEvent& first, const OrderEvent& second) const {
  const auto& mine = passes_[trace_.chains[first.chain].thread];
  const auto& theirs = passes_[trace_.chains[second.chain].thread];
  if (mine.empty() || theirs.empty()) return false;
  auto pass = std::ranges::lower_bound(mine, first.time_ns, {}, &Pass::arrived_ns);
  for (std::size_t looked = 0; pass != mine.end() && pass->arrived_ns <= second.time_ns; ++pass) {
    // A thread passes one barrier after the other, so leaving times are sorted too.
    auto match = std::ranges::lower_bound(theirs, pass->arrived_ns, {}, &Pass::left_ns);
    for (; match != theirs.end() && match->left_ns <= second.time_ns && match->arrived_ns <= pass->left_ns; ++match) {
      if (match->barrier == pass->barrier || ++looked > kMostPasses) return true;
    }
    if (++looked > kMostPasses) return true;
  }
  return false;
}

bool OrderEvents::one_life(const TracedLock& lock, std::uint64_t one_ns, std::uint64_t other_ns) const {
  const auto found = boundaries_.find(lock);
  if (found == boundaries_.end()) return true;
  const auto [from, to] = std::minmax(one_ns, other_ns);
  const auto next = std::ranges::upper_bound(found->second, from);
  return next == found->second.end() || *next > to;
}

}  // namespace lockscope
