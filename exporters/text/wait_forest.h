// SPDX-License-Identifier: Apache-2.0
// Waits as trees: the holder at the root, those who wait for it below, those who wait for them below that. Pure; built
// from a finished report that must outlive it. n log n in the waits and holders; no recursion, so a chain of any length
// will do. For exporters/text only.
//
// A wait with several holders hangs below one of them, the one that itself waits if there is one, and keeps the others
// in its description. A ring of waits that no detector called a deadlock is cut open at its first thread.
#pragma once

#include <cstddef>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <tuple>
#include <vector>

#include "lockscope/report.h"

namespace lockscope {

class WaitForest {
 public:
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

  struct Node {
    const ThreadDescription* thread = nullptr;  // null: a holder that is gone
    const WaitDescription* wait = nullptr;      // its own, below a holder; null for a root that waits for nobody known
    const HolderDescription* holder = nullptr;  // roots: as the first waiter sees it; others: of `wait`
    std::size_t parent = kNone;
    std::vector<std::size_t> waiters;  // longest wait first
    std::size_t behind = 0;            // all below, at any depth
    bool in_finding = false;
    bool ring = false;  // a root only because a ring had to be cut
  };

  explicit WaitForest(const Report& report);

  [[nodiscard]] const Node& node(std::size_t index) const { return nodes_[index]; }
  [[nodiscard]] std::span<const std::size_t> roots() const { return roots_; }  // most threads behind first
  // Waits without a known holder, outside findings, in the order of the report.
  [[nodiscard]] std::span<const WaitDescription* const> unknown() const { return unknown_; }

 private:
  // pid, tid, start; tid 0: any thread of the process; pid of the waiter and minus the number: one that is gone.
  using Key = std::tuple<pid_t, pid_t, std::uint64_t>;

  static Key key_of(const ThreadDescription& thread) { return {thread.pid, thread.tid, thread.start_ns}; }
  void mark_findings(const Report& report);
  const HolderDescription* choose(const WaitDescription& wait) const;
  std::size_t holder_node(const WaitDescription& wait, const HolderDescription& holder);
  void cut_rings();
  void count_and_sort();

  std::vector<Node> nodes_;
  std::map<Key, std::size_t> index_;
  std::set<Key> in_findings_;
  std::vector<std::size_t> roots_;
  std::vector<const WaitDescription*> unknown_;
};

}  // namespace lockscope
