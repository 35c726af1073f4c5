// SPDX-License-Identifier: Apache-2.0
// The answers of WaitForGraph, found the slow and obvious way, for looks of a dozen threads. A set of waits is
// deadlocked if each of them has an obstacle that nobody outside the set can remove; what is stuck is the union of all
// such sets, and here every set is tried. Knots and victims come from a matrix of distances.
#pragma once

#include <algorithm>
#include <limits>
#include <set>
#include <vector>

#include "look_builder.h"

namespace lockscope::test {

class Reference {
 public:
  Reference(const LookBuilder& look, Strictness strictness)
      : look_(look), strictness_(strictness), waits_(look.sample.waits), threads_(look.sample.raw.threads) {
    if (strictness == Strictness::suspicion) find_sleepers();
    std::vector<std::size_t> eligible;
    for (std::size_t w = 0; w < waits_.size(); ++w) {
      if (stands(w) && (strictness == Strictness::timeouts || !waits_[w].timed)) eligible.push_back(w);
    }
    stuck = largest_set(eligible, [&](std::size_t w, const std::set<std::size_t>& set) {
      return std::ranges::any_of(waits_[w].obstacles, [&](const Obstacle& o) { return holds(w, o, set); });
    });
    measure();
  }

  static constexpr std::size_t kFar = std::numeric_limits<std::size_t>::max() / 4;

  std::set<std::size_t> stuck;
  std::vector<std::vector<bool>> edge;
  std::vector<std::vector<std::size_t>> distance;  // of at least one step

  [[nodiscard]] bool in_knot(std::size_t w) const { return stuck.contains(w) && distance[w][w] < kFar; }
  [[nodiscard]] bool same_knot(std::size_t v, std::size_t w) const {
    return in_knot(v) && in_knot(w) && distance[v][w] < kFar && distance[w][v] < kFar;
  }

 private:
  template <class Stays>
  static std::set<std::size_t> largest_set(const std::vector<std::size_t>& eligible, Stays stays) {
    std::set<std::size_t> all;
    for (std::size_t bits = 0; bits < (std::size_t{1} << eligible.size()); ++bits) {
      std::set<std::size_t> set;
      for (std::size_t i = 0; i < eligible.size(); ++i) {
        if ((bits >> i & 1) != 0) set.insert(eligible[i]);
      }
      if (std::ranges::all_of(set, [&](std::size_t w) { return stays(w, set); })) all.insert(set.begin(), set.end());
    }
    return all;
  }

  static bool contains(const std::vector<std::size_t>& list, std::size_t value) {
    return std::ranges::find(list, value) != list.end();
  }
  [[nodiscard]] bool stands(std::size_t w) const { return !contains(look_.unsettled, w); }
  [[nodiscard]] bool quiet(std::size_t t) const { return contains(look_.quiet_threads, t); }
  [[nodiscard]] bool inert(std::size_t t) const { return quiet(t) && contains(look_.sample.inert, t); }
  [[nodiscard]] bool in(std::size_t t, const std::set<std::size_t>& waits) const {
    return std::ranges::any_of(waits, [&](std::size_t w) { return waits_[w].thread == t; });
  }

  // Threads of a releaser; empty if it is out of sight.
  [[nodiscard]] std::vector<std::size_t> threads_of(const Releaser& releaser) const {
    std::vector<std::size_t> found;
    for (std::size_t t = 0; t < threads_.size(); ++t) {
      const bool match = releaser.scope == Releaser::Scope::thread ? threads_[t].id == releaser.thread
                                                                   : threads_[t].pid == releaser.pid;
      if (match) found.push_back(t);
    }
    return found;
  }

  // Nobody outside `set` can remove this obstacle.
  [[nodiscard]] bool holds(std::size_t w, const Obstacle& o, const std::set<std::size_t>& set) const {
    if (!o.known) return false;
    const bool suspicion = strictness_ == Strictness::suspicion;
    const bool named = !o.candidates || waits_[w].self || waits_[w].owner_gone != OwnerGone::no;
    std::vector<Releaser> helpers = o.any_of;
    if (suspicion) helpers.insert(helpers.end(), o.likely.begin(), o.likely.end());
    return std::ranges::none_of(helpers, [&](const Releaser& releaser) {
      const auto threads = threads_of(releaser);
      if (threads.empty()) return true;
      const auto free = [&](std::size_t t) { return !in(t, set) && !inert(t); };
      if (!suspicion || !named || releaser.scope == Releaser::Scope::thread) {
        return std::ranges::any_of(threads, free);
      }
      const bool one_stuck = std::ranges::any_of(threads, [&](std::size_t t) { return in(t, set); });
      return std::ranges::any_of(threads,
                                 [&](std::size_t t) { return free(t) && !(one_stuck && sleepers_.contains(t)); });
    });
  }

  // Quiet threads, but not those whom somebody awake could wake.
  void find_sleepers() {
    std::vector<std::size_t> judged;
    for (std::size_t w = 0; w < waits_.size(); ++w) {
      const bool somebody =
          std::ranges::any_of(waits_[w].obstacles, [](const Obstacle& o) { return !o.any_of.empty(); });
      if (stands(w) && somebody && !waits_[w].timed) judged.push_back(w);
    }
    const auto is_judged = [&](std::size_t t) {
      return std::ranges::any_of(judged, [&](std::size_t w) { return waits_[w].thread == t; });
    };
    const auto asleep = largest_set(judged, [&](std::size_t w, const std::set<std::size_t>& set) {
      return std::ranges::any_of(waits_[w].obstacles, [&](const Obstacle& o) {
        return std::ranges::none_of(o.any_of, [&](const Releaser& releaser) {
          const auto threads = threads_of(releaser);
          return threads.empty() || std::ranges::any_of(threads, [&](std::size_t t) {
                   return !in(t, set) && !(quiet(t) && !is_judged(t));
                 });
        });
      });
    });
    for (std::size_t t = 0; t < threads_.size(); ++t) {
      if (quiet(t) && (!is_judged(t) || in(t, asleep))) sleepers_.insert(t);
    }
  }

  [[nodiscard]] std::set<std::size_t> stuck_waits_of(const Releaser& releaser) const {
    std::set<std::size_t> result;
    for (const std::size_t t : threads_of(releaser)) {
      for (const std::size_t w : stuck) {
        if (waits_[w].thread == t) result.insert(w);
      }
    }
    return result;
  }

  // Stuck waits of the same process that come to this one over holders who are written down; not for an end.
  [[nodiscard]] std::set<std::size_t> those_behind(std::size_t w) const {
    std::set<std::size_t> behind;
    for (bool grew = true; grew;) {
      grew = false;
      for (const std::size_t v : stuck) {
        if (v == w || behind.contains(v)) continue;
        for (const Obstacle& o : waits_[v].obstacles) {
          if (o.candidates || !holds(v, o, stuck)) continue;
          const auto next = leads_to(v, o);
          const bool comes =
              next.contains(w) || std::ranges::any_of(next, [&](std::size_t n) { return behind.contains(n); });
          if (comes) grew = behind.insert(v).second || grew;
        }
      }
    }
    std::erase_if(behind, [&](std::size_t v) {
      return threads_[waits_[v].thread].pid != threads_[waits_[w].thread].pid || waits_[v].kind == LockKind::join ||
             waits_[v].kind == LockKind::child;
    });
    return behind;
  }

  [[nodiscard]] std::set<std::size_t> leads_to(std::size_t w, const Obstacle& o) const {
    const Wait& wait = waits_[w];
    std::set<std::size_t> result;
    if (!o.candidates) {
      for (const Releaser& releaser : o.any_of) result.merge(stuck_waits_of(releaser));
      return result;
    }
    if (wait.owner_gone != OwnerGone::no) return {};
    if (wait.self) return {w};
    std::set<std::size_t> here;
    for (const Releaser& releaser : o.likely) {
      for (const std::size_t v : stuck_waits_of(releaser)) {
        if (v != w) (waits_[v].lock == wait.lock ? here : result).insert(v);
      }
    }
    if (result.empty()) result = those_behind(w);
    if (!result.empty()) return result;
    const auto writes_too = [&](std::size_t v) {
      return waits_[v].mode == Mode::exclusive && waits_[v].reader_count.value_or(0) > 1 && waits_[v].lock == wait.lock;
    };
    // With one other writer or none besides itself there is no group of writers to lead to.
    if (wait.reader_count.value_or(0) > 1 && std::ranges::count_if(stuck, writes_too) >= 2) {
      for (const std::size_t v : stuck) {
        if (v != w && writes_too(v)) result.insert(v);
      }
      return result;
    }
    return here.empty() ? std::set<std::size_t>{w} : here;
  }

  void measure() {
    const std::size_t count = waits_.size();
    edge.assign(count, std::vector<bool>(count, false));
    distance.assign(count, std::vector<std::size_t>(count, kFar));
    for (const std::size_t w : stuck) {
      for (const Obstacle& o : waits_[w].obstacles) {
        if (!holds(w, o, stuck)) continue;
        for (const std::size_t v : leads_to(w, o)) {
          edge[w][v] = true;
          distance[w][v] = 1;
        }
      }
    }
    for (std::size_t k = 0; k < count; ++k) {
      for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t j = 0; j < count; ++j) {
          distance[i][j] = std::min(distance[i][j], distance[i][k] + distance[k][j]);
        }
      }
    }
  }

  const LookBuilder& look_;
  Strictness strictness_;
  const std::vector<Wait>& waits_;
  const std::vector<Thread>& threads_;
  std::set<std::size_t> sleepers_;
};

}  // namespace lockscope::test
