// SPDX-License-Identifier: Apache-2.0
#include "lockscope/wait_for_graph.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "model/cycle_search.h"
#include "model/stuck_graph.h"
#include "model/stuck_waits.h"

namespace lockscope {
namespace {

// Those who wait behind something: from its waits backwards, each found once, from the nearest.
class Followers {
 public:
  explicit Followers(const StuckGraph& graph)
      : graph_(graph), backwards_(graph.edges().reversed()), seen_(graph.edges().size(), false) {}

  // By heads, the waits behind them; one that stands behind several belongs to the nearest, then to the first.
  std::vector<std::vector<std::size_t>> behind(const std::vector<std::vector<std::size_t>>& heads) {
    struct Found {
      std::size_t wait;
      std::size_t head;
    };
    std::vector<std::vector<std::size_t>> followers(heads.size());
    std::vector<Found> layer;
    for (std::size_t h = 0; h < heads.size(); ++h) {
      for (const std::size_t wait : heads[h]) {
        seen_[wait] = true;
        layer.push_back({wait, h});
      }
    }
    while (!layer.empty()) {
      std::vector<Found> next;
      const auto follow = [&](std::size_t wait, std::size_t head) {
        if (seen_[wait]) return;
        seen_[wait] = true;
        followers[head].push_back(wait);
        next.push_back({wait, head});
      };
      for (const auto& [wait, head] : layer) {
        for (const std::size_t from : backwards_.successors(wait)) {
          if (graph_.is_wait(from)) {
            follow(from, head);
          } else if (!seen_[from]) {
            seen_[from] = true;
            for (const std::size_t waiter : backwards_.successors(from)) follow(waiter, head);
          }
        }
      }
      layer = std::move(next);
    }
    return followers;
  }

 private:
  const StuckGraph& graph_;
  Digraph backwards_;
  std::vector<bool> seen_;  // by node
};

void put_cycle_first(std::vector<std::size_t>& members, const std::vector<std::size_t>& cycle) {
  std::vector<std::size_t> in_cycle(cycle);
  std::ranges::sort(in_cycle);
  std::erase_if(members, [&](std::size_t wait) { return std::ranges::binary_search(in_cycle, wait); });
  members.insert(members.begin(), cycle.begin(), cycle.end());
}

}  // namespace

WaitForGraph::WaitForGraph(const Sample& now, std::vector<bool> standing, std::vector<bool> quiet)
    : now_(&now), standing_(std::move(standing)), quiet_(std::move(quiet)) {
  assert(standing_.size() == now.waits.size() && quiet_.size() == now.raw.threads.size());
}

WaitForGraph::Solution WaitForGraph::solve(Strictness strictness) const {
  const Sample& sample = *now_;
  const auto thread_of = [&](std::size_t wait) { return sample.raw.threads[sample.waits[wait].thread].id; };
  const ThreadIndex index(sample);
  const StuckWaits waits = find_stuck_waits(sample, index, standing_, quiet_, strictness);
  const StuckGraph graph(sample, index, waits);
  const std::vector<std::size_t> component = strong_components(graph.edges());

  std::vector<std::vector<std::size_t>> components(graph.edges().size());
  for (std::size_t w = 0; w < sample.waits.size(); ++w) {
    if (waits.stuck[w]) components[component[w]].push_back(w);
  }
  Solution solution{.stuck = waits.stuck, .knots = {}, .dead_ends = {}};
  CycleSearch search(graph, component);
  for (std::vector<std::size_t>& members : components) {
    if (members.empty() || (members.size() == 1 && !graph.has_self_loop(members.front()))) continue;
    std::ranges::sort(members, {}, thread_of);
    Knot knot{.cycle = search.shortest(members), .members = {}, .victims = {}};
    put_cycle_first(members, knot.cycle);
    knot.members = std::move(members);
    solution.knots.push_back(std::move(knot));
  }
  std::ranges::sort(solution.knots, {}, [&](const Knot& knot) { return thread_of(knot.cycle.front()); });

  Followers followers(graph);
  std::vector<std::vector<std::size_t>> heads;
  for (const Knot& knot : solution.knots) heads.push_back(knot.members);
  std::vector<std::vector<std::size_t>> behind = followers.behind(heads);
  for (std::size_t k = 0; k < heads.size(); ++k) solution.knots[k].victims = std::move(behind[k]);

  // What leads to no knot ends at a wait that leads to nobody: its obstacle has nobody left who could remove it.
  heads.clear();
  for (std::size_t w = 0; w < sample.waits.size(); ++w) {
    if (waits.stuck[w] && graph.edges().successors(w).empty()) heads.push_back({w});
  }
  behind = followers.behind(heads);
  for (std::size_t d = 0; d < heads.size(); ++d) {
    solution.dead_ends.push_back({.wait = heads[d].front(), .victims = std::move(behind[d])});
  }
  return solution;
}

}  // namespace lockscope
