// SPDX-License-Identifier: Apache-2.0
#include "model/order_edges.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

#include "model/digraph.h"

namespace lockscope {
namespace {

constexpr std::size_t kMostOccurrences = std::size_t{1} << 21;
constexpr std::uint64_t kLargestObject = 4096;

bool makes_order(LockKind kind) {
  switch (kind) {
    case LockKind::mutex:
    case LockKind::recursive_mutex:
    case LockKind::errorcheck_mutex:
    case LockKind::adaptive_mutex:
    case LockKind::robust_mutex:
    case LockKind::pi_mutex:
    case LockKind::priority_protect_mutex:
    case LockKind::rwlock:
    case LockKind::spin: return true;
    case LockKind::cond:
    case LockKind::sem:
    case LockKind::barrier:
    case LockKind::once:
    case LockKind::join:
    case LockKind::stdio:
    case LockKind::loader:
    case LockKind::libc_internal:
    case LockKind::flock:
    case LockKind::posix:
    case LockKind::ofd:
    case LockKind::sysv_sem:
    case LockKind::child:
    case LockKind::futex: return false;
  }
  return false;
}

bool is_usable(const LockTrace& trace, const LockChain& chain) {
  if (chain.thread >= trace.threads.size() || chain.truncated || chain.last_ns < chain.first_ns) return false;
  if (chain.wanted.by == TakenBy::trying || chain.wanted.by == TakenBy::timed) return false;
  if (!makes_order(chain.wanted.kind)) return false;
  // Who holds a lock already does not wait for it, or only for itself.
  return std::ranges::none_of(chain.held, [&](const Acquisition& a) {
    return a.lock == chain.wanted.lock || a.lock.image != chain.wanted.lock.image;
  });
}

// All calls for locks come from such a function: its one site says nothing of the place that asks.
bool wraps_locking(std::string_view function) {
  function = function.substr(0, function.find('('));
  if (function.starts_with("std::") || function.starts_with("__gthread")) return true;
  return std::ranges::any_of(
      std::initializer_list<std::string_view>{"lock", "Lock", "enter", "Enter", "acquire", "Acquire"},
      [&](std::string_view word) { return function.ends_with(word); });
}

}  // namespace

OrderEdges::OrderEdges(const LockTrace& trace, const OrderEvents& judge, TraceNames& names)
    : trace_(trace), judge_(judge), names_(names) {
  collect();
  find_cyclic_edges();
  find_answered_edges();
}

std::span<const OrderEdge> OrderEdges::cyclic_from(std::uint32_t lock) const {
  return std::span(cyclic_).subspan(first_edge_[lock], first_edge_[lock + 1] - first_edge_[lock]);
}

const OrderEdge* OrderEdges::find_cyclic(std::uint32_t from, std::uint32_t to) const {
  const auto edges = cyclic_from(from);
  const auto found = std::ranges::lower_bound(edges, to, {}, &OrderEdge::to);
  return found == edges.end() || found->to != to ? nullptr : &*found;
}

void OrderEdges::collect() {
  for (std::size_t c = 0; c < trace_.chains.size(); ++c) {
    const LockChain& chain = trace_.chains[c];
    if (!is_usable(trace_, chain)) continue;
    for (std::size_t h = 0; h < chain.held.size(); ++h) {
      if (!makes_order(chain.held[h].kind)) continue;
      if (occurrences_.size() == kMostOccurrences) {
        complete_ = false;
        break;
      }
      const std::uint32_t from = number_of(chain.held[h].lock);
      const Occurrence occurrence{from, number_of(chain.wanted.lock), static_cast<std::uint32_t>(c),
                                  static_cast<std::uint32_t>(h)};
      if (!is_walk(occurrence)) occurrences_.push_back(occurrence);
    }
  }
  std::ranges::sort(occurrences_, {}, [](const Occurrence& o) { return std::tie(o.from, o.to, o.chain, o.held); });
}

std::uint32_t OrderEdges::number_of(const TracedLock& lock) {
  const auto [place, added] = numbers_.try_emplace(lock, static_cast<std::uint32_t>(locks_.size()));
  if (added) {
    locks_.push_back(lock);
    class_of_lock_.push_back(~std::uint32_t{0});
  }
  return place->second;
}

std::uint32_t OrderEdges::class_of(std::uint32_t lock) {
  std::uint32_t& number = class_of_lock_[lock];
  if (number == ~std::uint32_t{0}) {
    number = classes_.try_emplace(names_.lock_class(locks_[lock]).name, static_cast<std::uint32_t>(classes_.size()))
                 .first->second;
  }
  return number;
}

bool OrderEdges::is_walk(const Occurrence& occurrence) {
  const LockChain& chain = trace_.chains[occurrence.chain];
  const Acquisition& held = chain.held[occurrence.held];
  if (held.site != chain.wanted.site || class_of(occurrence.from) != class_of(occurrence.to)) return false;
  if (names_.lock_class(held.lock).by == LockClass::By::symbol) return false;
  if (judge_.was_initialised(held.lock, chain.last_ns) && judge_.was_initialised(chain.wanted.lock, chain.last_ns)) {
    return false;
  }
  return !wraps_locking(names_.code(held.lock.image, held.site).function);
}

void OrderEdges::find_cyclic_edges() {
  std::vector<Digraph::Edge> edges;
  for (std::size_t i = 0; i < occurrences_.size(); ++i) {
    const Occurrence& o = occurrences_[i];
    if (i == 0 || o.from != occurrences_[i - 1].from || o.to != occurrences_[i - 1].to)
      edges.emplace_back(o.from, o.to);
  }
  const std::vector<std::size_t> component = strong_components(Digraph(locks_.size(), edges));
  component_.assign(component.begin(), component.end());
  component_sizes_.assign(component.empty() ? 0 : *std::ranges::max_element(component) + 1, 0);
  for (const std::uint32_t c : component_) ++component_sizes_[c];

  first_edge_.assign(locks_.size() + 1, 0);
  for (std::size_t begin = 0, end = 0; begin < occurrences_.size(); begin = end) {
    const Occurrence& o = occurrences_[begin];
    while (end < occurrences_.size() && occurrences_[end].from == o.from && occurrences_[end].to == o.to) ++end;
    if (component_[o.from] != component_[o.to]) continue;
    cyclic_.push_back(make_edge(std::span(occurrences_).subspan(begin, end - begin)));
    ++first_edge_[o.from + 1];
  }
  for (std::size_t lock = 0; lock < locks_.size(); ++lock) first_edge_[lock + 1] += first_edge_[lock];
}

void OrderEdges::find_answered_edges() {
  using Key =
      std::tuple<ImageId, std::uint32_t, std::uint32_t, std::uint64_t>;  // classes, distance from held to wanted
  std::map<Key, std::vector<Occurrence>> groups;
  for (const Occurrence& o : occurrences_) {
    const std::uint64_t distance = locks_[o.to].address - locks_[o.from].address;
    if (distance >= kLargestObject && -distance >= kLargestObject) continue;
    if (class_of(o.from) == class_of(o.to)) continue;
    groups[{locks_[o.from].image, class_of(o.from), class_of(o.to), distance}].push_back(o);
  }
  for (const auto& [key, occurrences] : groups) {
    const auto& [image, from, to, distance] = key;
    if (from > to) continue;  // met from the other side
    const auto answer = groups.find({image, to, from, -distance});
    if (answer != groups.end()) answered_.emplace_back(make_edge(occurrences), make_edge(answer->second));
  }
}

OrderEdge OrderEdges::make_edge(std::span<const Occurrence> occurrences) {
  const Occurrence& o = occurrences.front();
  OrderEdge edge{o.from, o.to, class_of(o.from), class_of(o.to), events_.size(), 0};
  for (const Occurrence& each : occurrences) {
    const LockChain& chain = trace_.chains[each.chain];
    events_.push_back({each.chain, each.held, chain.first_ns});
    if (chain.last_ns != chain.first_ns) events_.push_back({each.chain, each.held, chain.last_ns});
  }
  edge.events = events_.size() - edge.first_event;
  return edge;
}

}  // namespace lockscope
