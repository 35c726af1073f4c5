// SPDX-License-Identifier: Apache-2.0
#include "model/lock_order_graph.h"

#include <algorithm>
#include <optional>
#include <set>

#include "model/order_cycle_search.h"

namespace lockscope {
namespace {

// Pairs of events compared for one pair of edges, and for all of them.
constexpr std::size_t kPairWork = 65'536;
constexpr std::size_t kAllPairsWork = 8'000'000;

class Finder {
 public:
  Finder(const LockTrace& trace, TraceNames& names, std::size_t limit)
      : trace_(trace), names_(names), limit_(limit), judge_(trace), edges_(trace, judge_, names) {}

  OrderCycles find() {
    result_.complete = edges_.complete();
    find_pairs();
    find_answered();
    find_longer();
    result_.complete = result_.complete && judge_.complete();
    return std::move(result_);
  }

 private:
  using Classes = std::pair<std::uint32_t, std::uint32_t>;

  [[nodiscard]] bool full() const { return result_.cycles.size() >= limit_; }
  [[nodiscard]] bool is_explained(const OrderEdge& edge) const {
    return explained_.contains({edge.from_class, edge.to_class});
  }
  void explain(const OrderEdge& edge) { explained_.insert({edge.from_class, edge.to_class}); }

  void find_pairs() {
    for (const OrderEdge& edge : edges_.cyclic()) {
      if (full()) return stop();
      if (edge.from > edge.to || is_explained(edge)) continue;
      const OrderEdge* back = edges_.find_cyclic(edge.to, edge.from);
      if (back == nullptr || is_explained(*back)) continue;
      const auto met = first_meeting(edge, *back, [&](const OrderEvent& one, const OrderEvent& other) {
        return judge_.blocks(one, other) && judge_.blocks(other, one) && judge_.can_meet(one, other);
      });
      if (met) report({met->first, met->second}, {&edge, back}, true);
    }
  }

  void find_answered() {
    for (const auto& [edge, answer] : edges_.answered()) {
      if (full()) return stop();
      if (is_explained(edge) || is_explained(answer)) continue;
      const auto met = first_meeting(edge, answer, [&](const OrderEvent& one, const OrderEvent& other) {
        return in_two_objects(one, other) && judge_.modes_conflict(one, other) && judge_.modes_conflict(other, one) &&
               judge_.can_meet(one, other) && !share_gate_class(one, other);
      });
      if (met) report({met->first, met->second}, {&edge, &answer}, false);
    }
  }

  void find_longer() {
    if (full()) return stop();
    OrderCycleSearch search(edges_, judge_);
    const auto explained = [&](const OrderEdge& edge) { return is_explained(edge); };
    while (const auto found = search.next(explained)) {
      report(found->events, found->edges, true);
      if (full()) return stop();
    }
    if (!search.complete()) result_.complete = false;
  }

  void stop() { result_.complete = false; }

  // The first pair of their events for which `both` holds.
  template <class Both>
  std::optional<std::pair<OrderEvent, OrderEvent>> first_meeting(const OrderEdge& edge, const OrderEdge& other,
                                                                 Both both) {
    std::size_t work = 0;
    for (const OrderEvent& one : edges_.events_of(edge)) {
      for (const OrderEvent& two : edges_.events_of(other)) {
        if (++work > kPairWork || ++pairs_work_ > kAllPairsWork) {
          result_.complete = false;
          return std::nullopt;
        }
        if (both(one, two)) return std::pair{one, two};
      }
    }
    return std::nullopt;
  }

  [[nodiscard]] bool in_two_objects(const OrderEvent& one, const OrderEvent& other) const {
    return trace_.chains[one.chain].wanted.lock != trace_.chains[other.chain].held[other.held].lock;
  }

  // In another object, or of another parent, the gate is another lock of the same class.
  [[nodiscard]] bool share_gate_class(const OrderEvent& one, const OrderEvent& other) const {
    const auto& held = trace_.chains[one.chain].held;
    const auto& other_held = trace_.chains[other.chain].held;
    if (held.size() == 1 && other_held.size() == 1) return false;
    return std::ranges::any_of(held, [&](const Acquisition& a) {
      return std::ranges::any_of(other_held, [&](const Acquisition& b) {
        if (a.mode == Mode::shared && b.mode == Mode::shared) return false;
        return names_.lock_class(a.lock).name == names_.lock_class(b.lock).name;
      });
    });
  }

  void report(std::vector<OrderEvent> events, std::vector<const OrderEdge*> edges, bool one_place) {
    const auto first = std::ranges::min_element(events, {}, &OrderEvent::chain) - events.begin();
    std::ranges::rotate(events, events.begin() + first);
    std::ranges::rotate(edges, edges.begin() + first);
    OrderCycle cycle;
    cycle.one_place = one_place;
    cycle.sure = one_place;
    for (std::size_t i = 0; i < events.size(); ++i) {
      const LockChain& chain = trace_.chains[events[i].chain];
      cycle.orders.push_back({events[i].chain, events[i].held});
      cycle.sure = cycle.sure && (names_.lock_class(chain.wanted.lock).by == LockClass::By::symbol ||
                                  judge_.was_initialised(chain.wanted.lock, events[i].time_ns));
      count(*edges[i], cycle);
      explain(*edges[i]);
    }
    result_.cycles.push_back(std::move(cycle));
  }

  void count(const OrderEdge& edge, OrderCycle& cycle) const {
    std::set<std::size_t> threads;
    std::uint64_t count = 0;
    const OrderEvent* before = nullptr;
    for (const OrderEvent& event : edges_.events_of(edge)) {
      if (before == nullptr || before->chain != event.chain) count += trace_.chains[event.chain].count;
      threads.insert(trace_.chains[event.chain].thread);
      before = &event;
    }
    cycle.counts.push_back(count);
    cycle.threads.push_back(threads.size());
  }

  const LockTrace& trace_;
  TraceNames& names_;
  std::size_t limit_;
  OrderEvents judge_;
  OrderEdges edges_;
  std::set<Classes> explained_;
  std::size_t pairs_work_ = 0;
  OrderCycles result_;
};

}  // namespace

OrderCycles find_order_cycles(const LockTrace& trace, TraceNames& names, std::size_t limit) {
  return Finder(trace, names, limit).find();
}

}  // namespace lockscope
