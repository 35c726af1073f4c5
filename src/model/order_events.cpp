// SPDX-License-Identifier: Apache-2.0
#include "model/order_events.h"

#include <algorithm>
#include <functional>

namespace lockscope {
namespace {

// Of a search for an order, and of all: children, joins and barrier passes that are looked at.
constexpr std::size_t kSearchWork = 16'384;
constexpr std::size_t kAllSearchWork = 32'000'000;
constexpr std::uint64_t kNever = ~std::uint64_t{0};

bool any_within(const std::vector<std::uint64_t>& times, std::uint64_t from, std::uint64_t to) {
  const auto first = std::ranges::lower_bound(times, from);
  return first != times.end() && *first <= to;
}

}  // namespace

OrderEvents::OrderEvents(const LockTrace& trace)
    : trace_(trace), first_gate_(trace.chains.size() + 1, 0), ties_(trace.threads.size()),
      known_(trace.threads.size(), kNever) {
  for (std::size_t c = 0; c < trace.chains.size(); ++c) {
    first_gate_[c] = gates_.size();
    for (const Acquisition& held : trace.chains[c].held) gates_.push_back({held.lock, held.mode == Mode::shared});
    std::sort(gates_.begin() + static_cast<std::ptrdiff_t>(first_gate_[c]), gates_.end(),
              [](const Gate& a, const Gate& b) { return a.lock != b.lock ? a.lock < b.lock : a.shared < b.shared; });
  }
  first_gate_.back() = gates_.size();
  tie_threads();
  for (const LockLife& life : trace.lives) {
    boundaries_[life.lock].push_back(life.time_ns);
    if (life.begins) initialised_.emplace(life.lock, life.time_ns);
  }
  for (auto& [lock, times] : boundaries_) std::ranges::sort(times);
}

void OrderEvents::tie_threads() {
  const std::size_t threads = trace_.threads.size();
  for (std::uint32_t t = 0; t < threads; ++t) {
    const TracedThread& child = trace_.threads[t];
    if (!child.creator || *child.creator >= threads || *child.creator == t) continue;
    ties_[*child.creator].created.push_back({child.start_ns, t});
    ties_[*child.creator].led_to.push_back(child.start_ns);
    ties_[t].came_from.push_back(child.start_ns);
  }
  for (const ThreadJoin& join : trace_.joins) {
    if (join.joiner >= threads || join.joined >= threads || join.joiner == join.joined) continue;
    ties_[join.joined].joined_by.push_back({join.time_ns, static_cast<std::uint32_t>(join.joiner)});
    ties_[join.joined].led_to.push_back(join.time_ns);
    ties_[join.joiner].came_from.push_back(join.time_ns);
  }
  for (const BarrierPass& pass : trace_.barriers) {
    if (pass.thread >= threads || pass.left_ns < pass.arrived_ns) continue;
    const Pass own{pass.barrier, static_cast<std::uint32_t>(pass.thread), pass.arrived_ns, pass.left_ns};
    ties_[pass.thread].passes.push_back(own);
    ties_[pass.thread].led_to.push_back(pass.arrived_ns);
    ties_[pass.thread].came_from.push_back(pass.left_ns);
    barriers_[pass.barrier].all.push_back(own);
  }
  for (Ties& ties : ties_) {
    std::ranges::sort(ties.created);
    std::ranges::sort(ties.joined_by);
    std::ranges::sort(ties.passes, {}, &Pass::arrived_ns);
    std::ranges::sort(ties.came_from);
    std::ranges::sort(ties.led_to);
  }
  for (auto& [barrier, passes] : barriers_) {
    std::ranges::sort(passes.all, {}, &Pass::left_ns);
    passes.earliest_from.resize(passes.all.size());
    std::uint64_t earliest = kNever;
    for (std::size_t i = passes.all.size(); i-- > 0;) {
      earliest = std::min(earliest, passes.all[i].arrived_ns);
      passes.earliest_from[i] = earliest;
    }
  }
}

bool OrderEvents::can_meet(const OrderEvent& one, const OrderEvent& other) const {
  if (trace_.chains[one.chain].thread == trace_.chains[other.chain].thread || share_gate(one, other)) return false;
  return !before(one, other) && !before(other, one);
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

bool OrderEvents::before(const OrderEvent& first, const OrderEvent& second) const {
  if (first.time_ns > second.time_ns) return false;
  const Since from{first.time_ns, static_cast<std::uint32_t>(trace_.chains[first.chain].thread)};
  const Since to{second.time_ns, static_cast<std::uint32_t>(trace_.chains[second.chain].thread)};
  // Most pairs are of two workers between their creation and their joining.
  if (!any_within(ties_[from.thread].led_to, from.time_ns, to.time_ns)) return false;
  if (!any_within(ties_[to.thread].came_from, from.time_ns, to.time_ns)) return false;
  return leads_to(from, to);
}

// The earliest first, so each thread is followed once, from the earliest that it is known at.
bool OrderEvents::leads_to(const Since& first, const Since& second) const {
  work_ = 0;
  reach(first, second);
  while (!waiting_.empty() && known_[second.thread] == kNever && work_ <= kSearchWork && all_work_ <= kAllSearchWork) {
    std::ranges::pop_heap(waiting_, std::greater{});
    const Since since = waiting_.back();
    waiting_.pop_back();
    if (since.time_ns == known_[since.thread]) follow(since, second);
  }
  const bool stopped = work_ > kSearchWork || all_work_ > kAllSearchWork;
  const bool found = known_[second.thread] != kNever;
  if (stopped && !found) complete_ = false;
  for (const std::uint32_t thread : reached_) known_[thread] = kNever;
  reached_.clear();
  waiting_.clear();
  return found || stopped;
}

void OrderEvents::follow(const Since& since, const Since& goal) const {
  const Ties& ties = ties_[since.thread];
  const TracedThread& sought = trace_.threads[goal.thread];
  if (sought.creator == since.thread && sought.start_ns >= since.time_ns)
    return reach({sought.start_ns, goal.thread}, goal);
  const auto done = [&] { return known_[goal.thread] != kNever || work_ > kSearchWork; };
  for (const auto* next : {&ties.joined_by, &ties.created}) {
    auto other = std::ranges::lower_bound(*next, since.time_ns, {}, &Since::time_ns);
    for (; other != next->end() && other->time_ns <= goal.time_ns && !done(); ++other) reach(*other, goal);
  }
  // Each arrival of an episode is before each leaving, so passes of one episode overlap. Two threads can overlap in two
  // episodes that follow each other as well, but only with the earlier one of the first thread: the order is the same.
  auto pass = std::ranges::lower_bound(ties.passes, since.time_ns, {}, &Pass::arrived_ns);
  for (; pass != ties.passes.end() && pass->arrived_ns <= goal.time_ns && !done(); ++pass) {
    const Passes& theirs = barriers_.at(pass->barrier);
    auto match = std::ranges::lower_bound(theirs.all, pass->arrived_ns, {}, &Pass::left_ns);
    for (; match != theirs.all.end() && match->left_ns <= goal.time_ns && !done(); ++match) {
      if (theirs.earliest_from[static_cast<std::size_t>(match - theirs.all.begin())] > pass->left_ns) break;
      if (match->arrived_ns <= pass->left_ns) {
        reach({match->left_ns, match->thread}, goal);
      } else {
        count_work();
      }
    }
    count_work();
  }
}

void OrderEvents::reach(const Since& since, const Since& goal) const {
  count_work();
  if (since.time_ns > goal.time_ns || since.time_ns >= known_[since.thread]) return;
  if (known_[since.thread] == kNever) reached_.push_back(since.thread);
  known_[since.thread] = since.time_ns;
  waiting_.push_back(since);
  std::ranges::push_heap(waiting_, std::greater{});
}

bool OrderEvents::one_life(const TracedLock& lock, std::uint64_t one_ns, std::uint64_t other_ns) const {
  const auto found = boundaries_.find(lock);
  if (found == boundaries_.end()) return true;
  const auto [from, to] = std::minmax(one_ns, other_ns);
  const auto next = std::ranges::upper_bound(found->second, from);
  return next == found->second.end() || *next > to;
}

}  // namespace lockscope
