// SPDX-License-Identifier: Apache-2.0
#include "model/cycle_search.h"

#include <algorithm>

namespace lockscope {
namespace {

// Edges looked at for one component beyond its first search: thousands of waits are searched in full, a ring of a
// hundred thousand a few times.
constexpr std::size_t kWorkLimit = 2'000'000;

}  // namespace

CycleSearch::CycleSearch(const StuckGraph& graph, std::span<const std::size_t> component)
    : graph_(graph), component_(component), found_from_(component.size(), kNone), parent_(component.size(), kNone) {}

std::vector<std::size_t> CycleSearch::shortest(std::span<const std::size_t> members) {
  const auto alone = std::ranges::find_if(members, [&](std::size_t wait) { return graph_.has_self_loop(wait); });
  if (alone != members.end()) return {*alone};

  work_ = 0;
  std::vector<std::size_t> best;
  for (const std::size_t start : members) {
    std::vector<std::size_t> cycle = through(start, best.empty() ? members.size() + 1 : best.size());
    if (!cycle.empty()) best = std::move(cycle);
    if (best.size() == 2 || work_ > kWorkLimit) break;
  }
  return best;
}

// The shortest cycle through `start` if it is shorter than `bound`, otherwise nothing. Members are tried in the order
// of their threads, so the first to find a length is the first thread on that cycle.
std::vector<std::size_t> CycleSearch::through(std::size_t start, std::size_t bound) {
  std::vector<std::size_t> layer{start};
  found_from_[start] = start;
  for (std::size_t length = 1; !layer.empty() && length < bound; ++length) {
    std::vector<std::size_t> next;
    for (const std::size_t wait : layer) {
      if (closes(wait, start)) return path(start, wait);
      for (const std::size_t to : graph_.edges().successors(wait)) {
        if (graph_.is_wait(to)) {
          reach(to, wait, start, next);
        } else if (found_from_[to] != start) {
          found_from_[to] = start;
          for (const std::size_t member : graph_.edges().successors(to)) reach(member, wait, start, next);
        }
      }
    }
    layer = std::move(next);
  }
  return {};
}

// A group that holds the start leads back to it, but not straight from it: writers lead to each other, and a process
// that waits for itself has a self-loop.
bool CycleSearch::closes(std::size_t wait, std::size_t start) {
  if (wait == start) return false;
  return std::ranges::any_of(graph_.edges().successors(wait), [&](std::size_t to) {
    return graph_.is_wait(to) ? to == start : graph_.holds(to, start);
  });
}

void CycleSearch::reach(std::size_t wait, std::size_t from, std::size_t start, std::vector<std::size_t>& next) {
  ++work_;
  if (component_[wait] != component_[start] || found_from_[wait] == start) return;
  found_from_[wait] = start;
  parent_[wait] = from;
  next.push_back(wait);
}

std::vector<std::size_t> CycleSearch::path(std::size_t start, std::size_t last) const {
  std::vector<std::size_t> cycle;
  for (std::size_t wait = last; wait != start; wait = parent_[wait]) cycle.push_back(wait);
  cycle.push_back(start);
  std::ranges::reverse(cycle);
  return cycle;
}

}  // namespace lockscope
