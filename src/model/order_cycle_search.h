// SPDX-License-Identifier: Apache-2.0
// Cycles of three and more edges in a lock-order graph, the shortest first. Through each edge: distances back to its
// held lock by breadth-first search, then a depth-first search of that length over the occurrences of edges, in which
// each must be able to stand together with all those chosen before it; if there is none, one edge longer, some times.
//
// Cost: bounded, both in edges looked at and in pairs of occurrences compared. A ring of some thousand locks is found,
// of more than that it is not. Used by lock_order_graph.cpp only.
#pragma once

#include <functional>
#include <optional>
#include <queue>
#include <vector>

#include "model/digraph.h"
#include "model/order_edges.h"

namespace lockscope {

class OrderCycleSearch {
 public:
  struct Cycle {
    std::vector<OrderEvent> events;
    std::vector<const OrderEdge*> edges;
  };
  using IsExplained = std::function<bool(const OrderEdge&)>;

  OrderCycleSearch(const OrderEdges& edges, const OrderEvents& judge);  // both must outlive this

  // A shortest cycle through an edge that is not explained yet; each call looks on from there.
  [[nodiscard]] std::optional<Cycle> next(const IsExplained& is_explained);
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  struct Task {
    std::size_t length = 0;
    std::size_t edge = 0;   // into OrderEdges::cyclic()
    std::size_t first = 0;  // the length that was tried first
    friend auto operator<=>(const Task&, const Task&) = default;
  };
  struct Choice {
    std::size_t edge = 0;   // the next to look at, among those from the lock
    std::size_t event = 0;  // the next to look at, among those of that edge
    std::uint32_t lock = 0;
  };

  void plan(const IsExplained& is_explained);
  void measure(std::uint32_t home);
  [[nodiscard]] std::optional<Cycle> search(const OrderEdge& start, std::size_t length);
  bool choose(Cycle& cycle, Choice& choice, std::size_t length);
  bool fits(const Cycle& cycle, const OrderEvent& event, bool closes);

  const OrderEdges& edges_;
  const OrderEvents& judge_;
  Digraph backwards_;
  std::priority_queue<Task, std::vector<Task>, std::greater<>> tasks_;
  bool planned_ = false;
  std::uint32_t measured_from_ = ~std::uint32_t{0};
  std::vector<std::uint32_t> distance_;  // by lock: edges to `measured_from_`
  std::vector<std::uint32_t> touched_;
  std::vector<bool> on_path_;  // by lock
  std::size_t edge_work_ = 0;
  std::size_t pair_work_ = 0;
  std::size_t search_work_ = 0;  // pairs, of this search
  bool complete_ = true;
};

}  // namespace lockscope
