// SPDX-License-Identifier: Apache-2.0
// A shortest way from a stuck wait back to itself, by breadth-first search within one strongly connected component.
// Pure; one search costs no more than the edges of the component. Used by wait_for_graph.cpp only.
#pragma once

#include <span>
#include <vector>

#include "model/stuck_graph.h"

namespace lockscope {

class CycleSearch {
 public:
  // `component` numbers the strongly connected component of each node. Both must outlive the search.
  CycleSearch(const StuckGraph& graph, std::span<const std::size_t> component);

  // A shortest cycle through these waits, which are one component and sorted by thread; it starts with its first
  // thread in that order. Of a component so large that searching from each wait would be quadratic, a short one.
  [[nodiscard]] std::vector<std::size_t> shortest(std::span<const std::size_t> members);

 private:
  std::vector<std::size_t> through(std::size_t start, std::size_t bound);
  bool closes(std::size_t wait, std::size_t start);
  void reach(std::size_t wait, std::size_t from, std::size_t start, std::vector<std::size_t>& next);
  [[nodiscard]] std::vector<std::size_t> path(std::size_t start, std::size_t last) const;

  const StuckGraph& graph_;
  std::span<const std::size_t> component_;
  std::vector<std::size_t> found_from_;  // by node: the start of the search that found it last
  std::vector<std::size_t> parent_;      // by node
  std::size_t work_ = 0;                 // edges looked at
};

}  // namespace lockscope
