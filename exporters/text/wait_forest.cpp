// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/wait_forest.h"

#include <algorithm>

namespace lockscope {

WaitForest::WaitForest(const Report& report) {
  mark_findings(report);
  std::vector<const WaitDescription*> known;
  for (const WaitDescription& wait : report.waits) {
    const Key key = key_of(wait.thread);
    if (in_findings_.contains(key)) continue;
    const bool has_holder =
        std::ranges::any_of(wait.holders, [](const auto& holder) { return holder.evidence != Evidence::unknown; });
    if (!has_holder) {
      unknown_.push_back(&wait);
      continue;
    }
    if (!index_.try_emplace(key, nodes_.size()).second) continue;  // one wait a thread; a second one is not believed
    Node& node = nodes_.emplace_back();
    node.thread = &wait.thread;
    node.wait = &wait;
    known.push_back(&wait);
  }
  for (std::size_t child = 0; child < known.size(); ++child) {
    const HolderDescription* holder = choose(*known[child]);
    const std::size_t parent = holder_node(*known[child], *holder);
    nodes_[child].holder = holder;
    if (parent == child) {
      nodes_[child].ring = true;
      continue;
    }
    nodes_[child].parent = parent;
    nodes_[parent].waiters.push_back(child);
  }
  cut_rings();
  count_and_sort();
}

void WaitForest::mark_findings(const Report& report) {
  for (const FindingDescription& finding : report.findings) {
    for (const auto* list : {&finding.cycle, &finding.victims, &finding.waiters}) {
      for (const WaitDescription& wait : *list) in_findings_.insert(key_of(wait.thread));
    }
  }
}

const HolderDescription* WaitForest::choose(const WaitDescription& wait) const {
  const HolderDescription* best = nullptr;
  for (const HolderDescription& holder : wait.holders) {
    if (holder.evidence == Evidence::unknown) continue;
    if (best == nullptr || (best->thread == std::nullopt && holder.thread)) best = &holder;
    if (holder.thread && !holder.any_thread && index_.contains(key_of(*holder.thread))) return &holder;
  }
  return best;
}

std::size_t WaitForest::holder_node(const WaitDescription& wait, const HolderDescription& holder) {
  Key key{wait.thread.pid, -holder.gone_tid.value_or(0), 0};
  if (holder.thread) key = holder.any_thread ? Key{holder.thread->pid, 0, 0} : key_of(*holder.thread);
  const auto [place, inserted] = index_.try_emplace(key, nodes_.size());
  if (inserted) {
    Node& node = nodes_.emplace_back();
    node.holder = &holder;
    if (holder.thread) {
      node.thread = &*holder.thread;
      node.in_finding = in_findings_.contains(key_of(*holder.thread));
    }
  }
  return place->second;
}

// Follows parents from every node once; a walk that meets itself has found a ring.
void WaitForest::cut_rings() {
  std::vector<std::size_t> walk_of(nodes_.size(), kNone);
  for (std::size_t start = 0; start < nodes_.size(); ++start) {
    std::size_t at = start;
    while (at != kNone && walk_of[at] == kNone) {
      walk_of[at] = start;
      at = nodes_[at].parent;
    }
    if (at == kNone || walk_of[at] != start) continue;
    std::size_t first = at;
    for (std::size_t next = nodes_[at].parent; next != at; next = nodes_[next].parent) first = std::min(first, next);
    std::erase(nodes_[nodes_[first].parent].waiters, first);
    nodes_[first].parent = kNone;
    nodes_[first].ring = true;
  }
}

void WaitForest::count_and_sort() {
  std::vector<std::size_t> order;
  order.reserve(nodes_.size());
  for (std::size_t index = 0; index < nodes_.size(); ++index) {
    if (nodes_[index].parent == kNone) order.push_back(index);
  }
  roots_ = order;
  for (std::size_t at = 0; at < order.size(); ++at) {
    const std::vector<std::size_t>& below = nodes_[order[at]].waiters;
    order.insert(order.end(), below.begin(), below.end());
  }
  for (auto at = order.rbegin(); at != order.rend(); ++at) {
    const Node& node = nodes_[*at];
    if (node.parent != kNone) nodes_[node.parent].behind += node.behind + 1;
  }
  const auto older = [this](std::size_t left, std::size_t right) {
    return nodes_[left].wait->age_ns.value_or(0) > nodes_[right].wait->age_ns.value_or(0);
  };
  for (Node& node : nodes_) std::ranges::stable_sort(node.waiters, older);
  std::ranges::stable_sort(
      roots_, [this](std::size_t left, std::size_t right) { return nodes_[left].behind > nodes_[right].behind; });
}

}  // namespace lockscope
