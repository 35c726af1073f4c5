// SPDX-License-Identifier: Apache-2.0
#include "model/digraph.h"

#include <algorithm>

namespace lockscope {

Digraph::Digraph(std::size_t nodes, std::span<const Edge> edges) : first_(nodes + 1, 0), targets_(edges.size()) {
  for (const auto& [from, to] : edges) ++first_[from + 1];
  for (std::size_t n = 0; n < nodes; ++n) first_[n + 1] += first_[n];
  std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
  for (const auto& [from, to] : edges) targets_[next[from]++] = to;
}

Digraph Digraph::reversed() const {
  std::vector<Edge> edges;
  edges.reserve(targets_.size());
  for (std::size_t from = 0; from < size(); ++from) {
    for (const std::size_t to : successors(from)) edges.emplace_back(to, from);
  }
  return {size(), edges};
}

std::vector<std::size_t> strong_components(const Digraph& graph) {
  constexpr std::size_t unset = static_cast<std::size_t>(-1);
  std::vector<std::size_t> component(graph.size(), unset);
  std::vector<std::size_t> order(graph.size(), unset);  // when the search came to a node
  std::vector<std::size_t> low(graph.size(), 0);
  std::vector<std::size_t> open;  // nodes whose component is not closed yet
  struct Visit {
    std::size_t node;
    std::size_t next;  // which successor to look at
  };
  std::vector<Visit> path;
  std::size_t visited = 0;
  std::size_t components = 0;

  const auto enter = [&](std::size_t node) {
    order[node] = low[node] = visited++;
    open.push_back(node);
    path.push_back({node, 0});
  };
  for (std::size_t root = 0; root < graph.size(); ++root) {
    if (order[root] != unset) continue;
    enter(root);
    while (!path.empty()) {
      const std::size_t node = path.back().node;
      const auto successors = graph.successors(node);
      if (path.back().next < successors.size()) {
        const std::size_t to = successors[path.back().next++];
        if (order[to] == unset) {
          enter(to);
        } else if (component[to] == unset) {
          low[node] = std::min(low[node], order[to]);
        }
        continue;
      }
      path.pop_back();
      if (!path.empty()) low[path.back().node] = std::min(low[path.back().node], low[node]);
      if (low[node] != order[node]) continue;
      std::size_t member = 0;
      do {
        member = open.back();
        open.pop_back();
        component[member] = components;
      } while (member != node);
      ++components;
    }
  }
  return component;
}

}  // namespace lockscope
