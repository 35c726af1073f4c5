// SPDX-License-Identifier: Apache-2.0
#include "model/order_cycle_search.h"

#include <algorithm>

namespace lockscope {
namespace {

constexpr std::size_t kEdgeWork = 16'000'000;  // edges looked at while planning, and as many while searching
constexpr std::size_t kPairWork = 8'000'000;   // pairs compared in all
constexpr std::size_t kSearchWork = 100'000;   // pairs and edges of one search, beyond those of a straight way
constexpr std::size_t kLongerTries = 8;        // how much longer than the shortest way through its edges
constexpr std::uint32_t kFar = ~std::uint32_t{0};

Digraph reversed(const OrderEdges& edges) {
  std::vector<Digraph::Edge> pairs;
  for (const OrderEdge& edge : edges.cyclic()) pairs.emplace_back(edge.to, edge.from);
  return {edges.locks(), pairs};
}

}  // namespace

OrderCycleSearch::OrderCycleSearch(const OrderEdges& edges, const OrderEvents& judge)
    : edges_(edges), judge_(judge), backwards_(reversed(edges)), distance_(edges.locks(), kFar),
      on_path_(edges.locks(), false) {}

std::optional<OrderCycleSearch::Cycle> OrderCycleSearch::next(const IsExplained& is_explained) {
  if (!planned_) plan(is_explained);
  while (!tasks_.empty()) {
    const Task task = tasks_.top();
    tasks_.pop();
    const OrderEdge& edge = edges_.cyclic()[task.edge];
    if (is_explained(edge)) continue;
    if (edge_work_ > 2 * kEdgeWork || pair_work_ > kPairWork) {
      complete_ = false;
      return std::nullopt;
    }
    measure(edge.from);
    if (auto found = search(edge, task.length)) return found;
    const std::size_t longest = edges_.component_size(edges_.component(edge.from));
    if (task.length >= longest) continue;
    if (task.length < task.first + kLongerTries) {
      tasks_.push({task.length + 1, task.edge, task.first});
    } else {
      complete_ = false;
    }
  }
  return std::nullopt;
}

// What each edge's shortest cycle can be at best. Pairs have been judged already.
void OrderCycleSearch::plan(const IsExplained& is_explained) {
  planned_ = true;
  for (std::size_t e = 0; e < edges_.cyclic().size(); ++e) {
    const OrderEdge& edge = edges_.cyclic()[e];
    if (is_explained(edge) || edges_.component_size(edges_.component(edge.from)) < 3) continue;
    if (edge_work_ > kEdgeWork) {
      complete_ = false;
      break;
    }
    measure(edge.from);
    const std::size_t length = std::max<std::size_t>(distance_[edge.to] + std::size_t{1}, 3);
    tasks_.push({length, e, length});
  }
  edge_work_ = std::max(edge_work_, kEdgeWork);
}

void OrderCycleSearch::measure(std::uint32_t home) {
  if (measured_from_ == home) return;
  for (const std::uint32_t lock : touched_) distance_[lock] = kFar;
  touched_.assign(1, home);
  measured_from_ = home;
  distance_[home] = 0;
  for (std::size_t next = 0; next < touched_.size(); ++next) {
    const std::uint32_t lock = touched_[next];
    for (const std::size_t from : backwards_.successors(lock)) {
      ++edge_work_;
      if (distance_[from] != kFar) continue;
      distance_[from] = distance_[lock] + 1;
      touched_.push_back(static_cast<std::uint32_t>(from));
    }
  }
}

// Of exactly this length: what is shorter has been tried.
std::optional<OrderCycleSearch::Cycle> OrderCycleSearch::search(const OrderEdge& start, std::size_t length) {
  search_work_ = 0;
  const std::size_t most = kSearchWork + length * length;
  Cycle cycle;
  std::optional<Cycle> found;
  for (const OrderEvent& event : edges_.events_of(start)) {
    cycle.events.assign(1, event);
    cycle.edges.assign(1, &start);
    on_path_[start.from] = on_path_[start.to] = true;
    std::vector<Choice> choices{{.lock = start.to}};
    while (!choices.empty() && search_work_ <= most) {
      if (choose(cycle, choices.back(), length)) {
        if (cycle.events.size() == length) break;
        const std::uint32_t lock = cycle.edges.back()->to;
        on_path_[lock] = true;
        choices.push_back({.lock = lock});
        continue;
      }
      on_path_[choices.back().lock] = false;
      choices.pop_back();
      cycle.events.pop_back();
      cycle.edges.pop_back();
    }
    for (const Choice& choice : choices) on_path_[choice.lock] = false;
    on_path_[start.from] = false;
    if (cycle.events.size() == length) found = std::move(cycle);
    if (found || search_work_ > most) break;
  }
  if (!found && search_work_ > most) complete_ = false;
  pair_work_ += search_work_;
  return found;
}

// The next edge and occurrence that lead on from the end of the way; false: none is left.
bool OrderCycleSearch::choose(Cycle& cycle, Choice& choice, std::size_t length) {
  const std::uint32_t home = cycle.edges.front()->from;
  const std::size_t left = length - cycle.events.size() - 1;  // edges after this one
  const auto ways = edges_.cyclic_from(choice.lock);
  for (; choice.edge < ways.size(); ++choice.edge, choice.event = 0) {
    const OrderEdge& way = ways[choice.edge];
    ++search_work_;
    const bool closes = way.to == home;
    if (closes != (left == 0) || (!closes && on_path_[way.to]) || distance_[way.to] > left) continue;
    const auto events = edges_.events_of(way);
    while (choice.event < events.size()) {
      const OrderEvent& event = events[choice.event++];
      if (!fits(cycle, event, closes)) continue;
      cycle.events.push_back(event);
      cycle.edges.push_back(&way);
      return true;
    }
  }
  return false;
}

bool OrderCycleSearch::fits(const Cycle& cycle, const OrderEvent& event, bool closes) {
  ++search_work_;
  if (!judge_.blocks(cycle.events.back(), event)) return false;
  if (closes && !judge_.blocks(event, cycle.events.front())) return false;
  return std::ranges::all_of(cycle.events, [&](const OrderEvent& chosen) {
    ++search_work_;
    return judge_.can_meet(chosen, event);
  });
}

}  // namespace lockscope
