// SPDX-License-Identifier: Apache-2.0
// The edges of a lock-order graph that can be part of a cycle, with all their occurrences. Locks and classes are
// numbered. Linear in the held locks of all chains, but for sorting. Used by lock_order_graph.cpp only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/order_events.h"

namespace lockscope {

struct OrderEdge {
  std::uint32_t from = 0;  // lock
  std::uint32_t to = 0;
  std::uint32_t from_class = 0;
  std::uint32_t to_class = 0;
  std::size_t first_event = 0;  // into OrderEdges::events
  std::size_t events = 0;
};

class OrderEdges {
 public:
  OrderEdges(const LockTrace& trace, const OrderEvents& judge, TraceNames& names);

  // Edges inside strongly connected components: sorted by from, to.
  [[nodiscard]] std::span<const OrderEdge> cyclic() const { return cyclic_; }
  [[nodiscard]] std::span<const OrderEdge> cyclic_from(std::uint32_t lock) const;
  [[nodiscard]] const OrderEdge* find_cyclic(std::uint32_t from, std::uint32_t to) const;
  // Edges that join two members of an object, and those that join the same members of others in the opposite order.
  // Each stands for all edges of its classes and its distance.
  [[nodiscard]] std::span<const std::pair<OrderEdge, OrderEdge>> answered() const { return answered_; }

  [[nodiscard]] std::span<const OrderEvent> events_of(const OrderEdge& edge) const {
    return std::span(events_).subspan(edge.first_event, edge.events);
  }
  [[nodiscard]] std::size_t locks() const { return locks_.size(); }
  [[nodiscard]] const TracedLock& lock(std::uint32_t number) const { return locks_[number]; }
  [[nodiscard]] std::uint32_t component(std::uint32_t lock) const { return component_[lock]; }
  [[nodiscard]] std::uint32_t component_size(std::uint32_t component) const { return component_sizes_[component]; }
  [[nodiscard]] bool complete() const { return complete_; }

 private:
  struct Occurrence {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    std::uint32_t chain = 0;
    std::uint32_t held = 0;
  };
  void collect();
  std::uint32_t number_of(const TracedLock& lock);
  std::uint32_t class_of(std::uint32_t lock);
  bool is_walk(const Occurrence& occurrence);
  void find_cyclic_edges();
  void find_answered_edges();
  OrderEdge make_edge(std::span<const Occurrence> occurrences);

  const LockTrace& trace_;
  const OrderEvents& judge_;
  TraceNames& names_;
  std::vector<TracedLock> locks_;
  std::unordered_map<TracedLock, std::uint32_t, TracedLockHash> numbers_;
  std::vector<std::uint32_t> class_of_lock_;
  std::unordered_map<std::string, std::uint32_t> classes_;
  std::vector<Occurrence> occurrences_;  // by from, to, chain
  std::vector<std::uint32_t> component_;
  std::vector<std::uint32_t> component_sizes_;
  std::vector<OrderEvent> events_;
  std::vector<OrderEdge> cyclic_;
  std::vector<std::size_t> first_edge_;  // by lock, into cyclic_
  std::vector<std::pair<OrderEdge, OrderEdge>> answered_;
  bool complete_ = true;
};

}  // namespace lockscope
