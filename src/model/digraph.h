// SPDX-License-Identifier: Apache-2.0
// A directed graph in two flat vectors, and its strongly connected components. Pure; nothing recurses, so a chain of
// any length costs heap and no stack. All linear in nodes and edges. Used by wait_for_graph.cpp only.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace lockscope {

class Digraph {
 public:
  using Edge = std::pair<std::size_t, std::size_t>;  // from, to
  Digraph(std::size_t nodes, std::span<const Edge> edges);

  [[nodiscard]] std::size_t size() const { return first_.size() - 1; }
  [[nodiscard]] std::span<const std::size_t> successors(std::size_t node) const {
    return {targets_.data() + first_[node], first_[node + 1] - first_[node]};
  }
  [[nodiscard]] Digraph reversed() const;

 private:
  std::vector<std::size_t> first_;
  std::vector<std::size_t> targets_;
};

// By node, the number of its component: from 0, a component after all those that it leads to (Tarjan, "Depth-first
// search and linear graph algorithms", SIAM Journal on Computing 1(2), 1972).
[[nodiscard]] std::vector<std::size_t> strong_components(const Digraph& graph);

}  // namespace lockscope
