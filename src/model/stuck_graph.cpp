// SPDX-License-Identifier: Apache-2.0
#include "model/stuck_graph.h"

#include <algorithm>
#include <map>
#include <optional>

namespace lockscope {
namespace {

// Draws the edges out of each stuck wait, to the stuck waits of those who alone could end it.
class EdgeBuilder {
 public:
  EdgeBuilder(const Sample& sample, const ThreadIndex& index, const StuckWaits& waits)
      : group_of_process(sample.waits.size(), kNone), group_of_lock(sample.waits.size(), kNone),
        self_loop(sample.waits.size(), false), nodes(sample.waits.size() + index.process_count()), sample_(sample),
        index_(index), waits_(waits), has_stuck_(index.process_count(), false) {}

  void build() {
    for (std::size_t w = 0; w < sample_.waits.size(); ++w) {
      if (!waits_.stuck[w]) continue;
      const std::size_t process = index_.process_of(sample_.waits[w].thread);
      has_stuck_[process] = true;
      group_of_process[w] = process_group(process);
      edges.emplace_back(group_of_process[w], w);
    }
    group_writers();
    for (std::size_t w = 0; w < sample_.waits.size(); ++w) {
      if (!waits_.stuck[w]) continue;
      const Wait& wait = sample_.waits[w];
      for (std::size_t o = 0; o < wait.obstacles.size(); ++o) {
        if (waits_.removed[w][o]) continue;
        if (wait.obstacles[o].candidates) {
          unnamed_.emplace_back(w, &wait.obstacles[o]);
        } else {
          lead_to_releasers(w, wait.obstacles[o]);
        }
      }
    }
    const std::vector<Digraph::Edge> named = edges;  // those whose holder is written down: what the others go by
    for (const auto& [w, obstacle] : unnamed_) lead_to_candidates(w, *obstacle, named);
  }

  std::vector<std::size_t> group_of_process;
  std::vector<std::size_t> group_of_lock;
  std::vector<bool> self_loop;
  std::vector<Digraph::Edge> edges;
  std::size_t nodes;

 private:
  [[nodiscard]] std::size_t process_group(std::size_t process) const { return sample_.waits.size() + process; }

  // The stuck wait of this thread, or kNone.
  [[nodiscard]] std::size_t stuck_wait_of(const Releaser& releaser) const {
    if (releaser.scope != Releaser::Scope::thread) return kNone;
    const std::size_t thread = index_.find(releaser.thread);
    const std::size_t wait = thread == kNone ? kNone : index_.wait_of(thread);
    return wait != kNone && waits_.stuck[wait] ? wait : kNone;
  }

  // Writers behind several readers may be those readers: a rwlock that two threads upgrade at once.
  void group_writers() {
    std::map<LockId, std::vector<std::size_t>> writers;
    for (std::size_t w = 0; w < sample_.waits.size(); ++w) {
      const Wait& wait = sample_.waits[w];
      if (waits_.stuck[w] && wait.reader_count.value_or(0) > 1 && wait.mode == Mode::exclusive) {
        writers[wait.lock].push_back(w);
      }
    }
    for (const auto& [lock, waits] : writers) {
      if (waits.size() < 2) continue;
      for (const std::size_t w : waits) {
        group_of_lock[w] = nodes;
        edges.emplace_back(nodes, w);
      }
      groups_.emplace(lock, nodes++);
    }
  }

  void lead_to(std::size_t from, std::size_t to) {
    edges.emplace_back(from, to);
    if (from == to) self_loop[from] = true;
  }

  void lead_to_releasers(std::size_t from, const Obstacle& obstacle) {
    for (const Releaser& releaser : obstacle.any_of) {
      if (releaser.scope == Releaser::Scope::thread) {
        const std::size_t to = stuck_wait_of(releaser);
        if (to != kNone) lead_to(from, to);
      } else if (const std::size_t process = index_.process(releaser.pid); process != kNone && has_stuck_[process]) {
        edges.emplace_back(from, process_group(process));
        if (process == index_.process_of(sample_.waits[from].thread)) self_loop[from] = true;
      }
    }
  }

  // All of the candidates are stuck, so the proof stands whichever holds the lock. This picks whom to show.
  void lead_to_candidates(std::size_t from, const Obstacle& obstacle, const std::vector<Digraph::Edge>& named) {
    const Wait& wait = sample_.waits[from];
    if (wait.owner_gone != OwnerGone::no) return;  // the holder is known, and gone
    if (wait.self) return lead_to(from, from);
    std::vector<std::size_t> elsewhere;  // those with the lock on their stack, who wait for another one
    std::vector<std::size_t> here;       // those who have it there because they wait for it
    for (const Releaser& releaser : obstacle.likely) {
      const std::size_t to = stuck_wait_of(releaser);
      if (to == kNone || to == from) continue;
      (sample_.waits[to].lock == wait.lock ? here : elsewhere).push_back(to);
    }
    if (elsewhere.empty()) elsewhere = candidates_behind(from, named);
    const auto writers = groups_.find(wait.lock);
    if (elsewhere.empty() && wait.reader_count.value_or(0) > 1 && writers != groups_.end()) {
      edges.emplace_back(from, writers->second);
      return;
    }
    const std::vector<std::size_t>& shown = elsewhere.empty() ? here : elsewhere;
    for (const std::size_t to : shown) lead_to(from, to);
    if (shown.empty()) lead_to(from, from);
  }

  // Threads of the same process that wait, by whatever way, for a lock that this one holds: each of them, if it is the
  // reader, closes a cycle. Not those who wait for the end of another, which every main thread does.
  std::vector<std::size_t> candidates_behind(std::size_t from, const std::vector<Digraph::Edge>& named) {
    constexpr std::size_t kMostSearches = 64;
    if (++searches_ > kMostSearches) return {};
    if (!led_from_) led_from_ = Digraph(nodes, named).reversed();
    std::vector<bool> seen(nodes, false);
    std::vector<std::size_t> todo{from};
    std::vector<std::size_t> found;
    seen[from] = true;
    while (!todo.empty()) {
      const std::size_t node = todo.back();
      todo.pop_back();
      for (const std::size_t before : led_from_->successors(node)) {
        if (seen[before]) continue;
        seen[before] = true;
        todo.push_back(before);
        if (before >= sample_.waits.size()) continue;
        const Wait& wait = sample_.waits[before];
        const bool same_process = index_.process_of(wait.thread) == index_.process_of(sample_.waits[from].thread);
        if (same_process && wait.kind != LockKind::join && wait.kind != LockKind::child) found.push_back(before);
      }
    }
    std::ranges::sort(found);
    return found;
  }

  const Sample& sample_;
  const ThreadIndex& index_;
  const StuckWaits& waits_;
  std::vector<std::pair<std::size_t, const Obstacle*>> unnamed_;  // whose holders are not written down
  std::optional<Digraph> led_from_;
  std::size_t searches_ = 0;
  std::vector<bool> has_stuck_;  // by process
  std::map<LockId, std::size_t> groups_;
};

}  // namespace

StuckGraph::StuckGraph(const Sample& sample, const ThreadIndex& index, const StuckWaits& waits) : edges_(0, {}) {
  EdgeBuilder builder(sample, index, waits);
  builder.build();
  edges_ = Digraph(builder.nodes, builder.edges);
  group_of_process_ = std::move(builder.group_of_process);
  group_of_lock_ = std::move(builder.group_of_lock);
  self_loop_ = std::move(builder.self_loop);
}

}  // namespace lockscope
