// SPDX-License-Identifier: Apache-2.0
// Which stuck wait leads to which: what is left of the wait-for graph once all that can move is struck out.
// Nodes are waits and groups of waits. A group stands between those who wait for "any of these" and these, so that a
// thousand waiters behind a thousand threads are two thousand edges. Pure; linear but for one ordered map of locks.
#pragma once

#include <vector>

#include "model/digraph.h"
#include "model/stuck_waits.h"
#include "model/thread_index.h"

namespace lockscope {

class StuckGraph {
 public:
  StuckGraph(const Sample& sample, const ThreadIndex& index, const StuckWaits& waits);

  [[nodiscard]] const Digraph& edges() const { return edges_; }
  [[nodiscard]] bool is_wait(std::size_t node) const { return node < group_of_process_.size(); }
  // Whether the wait leads to itself with no other wait in between.
  [[nodiscard]] bool has_self_loop(std::size_t wait) const { return self_loop_[wait]; }
  // Whether this group leads to this wait.
  [[nodiscard]] bool holds(std::size_t group, std::size_t wait) const {
    return group_of_process_[wait] == group || group_of_lock_[wait] == group;
  }

 private:
  std::vector<std::size_t> group_of_process_;  // by wait: the stuck waits of its process
  std::vector<std::size_t> group_of_lock_;     // by wait: the stuck exclusive waits for its lock, or kNone
  std::vector<bool> self_loop_;
  Digraph edges_;
};

}  // namespace lockscope
