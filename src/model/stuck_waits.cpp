// SPDX-License-Identifier: Apache-2.0
#include "model/stuck_waits.h"

#include <optional>

#include "model/digraph.h"

namespace lockscope {
namespace {

// What a thread can do. It only ever goes from `stuck` to one of the last two.
enum class Ability {
  never,   // inert
  stuck,   // in a wait that was not struck out
  asleep,  // nothing stops it, but it sleeps without timeout and nobody who is awake will wake it
  awake,
};

struct Rules {
  bool timed_waits_end = true;
  // Where any thread of a process could help, sleepers do not count as long as one of its threads is stuck.
  bool sleepers_may_be_idle = false;
  // Who could ever be woken by whom we know: waits that nobody known can end do not end.
  bool only_known_help = false;
};

// A helper is a thread, or a process under one of two rules. Each has a number; it helps or does not, and once it does
// it always will. The work list holds those that have just begun to.
class Fixpoint {
 public:
  Fixpoint(const Sample& sample, const ThreadIndex& index, const std::vector<bool>& standing, Rules rules)
      : sample_(sample), index_(index), rules_(rules), ability_(sample.raw.threads.size(), Ability::awake),
        after_(sample.raw.threads.size(), Ability::awake), stuck_(sample.waits.size(), false) {
    for (std::size_t w = 0; w < sample.waits.size(); ++w) {
      const Wait& wait = sample.waits[w];
      stuck_[w] = standing[w] && !(rules.timed_waits_end && wait.timed) && !wait.obstacles.empty() &&
                  index.wait_of(wait.thread) == w;
      if (stuck_[w]) ability_[wait.thread] = Ability::stuck;
    }
  }

  // For a thread without a wait, at once; for one with a wait, if the wait is struck out. Call before run().
  void set_ability(std::size_t thread, Ability ability) {
    after_[thread] = ability;
    if (ability_[thread] != Ability::stuck) ability_[thread] = ability;
  }

  void run() {
    count_abilities();
    list_obstacles();
    for (std::size_t helper = 0; helper < helper_count(); ++helper) notice(helper);
    for (std::size_t w = 0; w < stuck_.size(); ++w) {
      if (stuck_[w] && closed_[w] == 0) strike(w);
    }
    while (!work_.empty()) {
      const std::size_t helper = work_.back();
      work_.pop_back();
      for (const std::size_t obstacle : helped_->successors(helper)) {
        if (removed_[obstacle]) continue;
        removed_[obstacle] = true;
        const std::size_t wait = wait_of_obstacle_[obstacle];
        if (--closed_[wait] == 0) strike(wait);
      }
    }
  }

  [[nodiscard]] Ability ability(std::size_t thread) const { return ability_[thread]; }

  [[nodiscard]] StuckWaits result() const {
    StuckWaits result{.stuck = stuck_, .removed = std::vector<std::vector<bool>>(stuck_.size())};
    for (std::size_t o = 0; o < wait_of_obstacle_.size(); ++o) {
      result.removed[wait_of_obstacle_[o]].push_back(removed_[o]);
    }
    return result;
  }

 private:
  struct Counts {
    std::size_t stuck = 0;
    std::size_t asleep = 0;
    std::size_t awake = 0;
  };

  [[nodiscard]] std::size_t helper_count() const { return ability_.size() + 2 * index_.process_count(); }
  [[nodiscard]] std::size_t process_helper(std::size_t process, bool lenient) const {
    return ability_.size() + 2 * process + (lenient ? 1 : 0);
  }

  void count_abilities() {
    counts_.resize(index_.process_count());
    for (std::size_t t = 0; t < ability_.size(); ++t) count(t);
  }

  void count(std::size_t thread) {
    Counts& counts = counts_[index_.process_of(thread)];
    switch (ability_[thread]) {
      case Ability::never: break;
      case Ability::stuck: ++counts.stuck; break;
      case Ability::asleep: ++counts.asleep; break;
      case Ability::awake: ++counts.awake; break;
    }
  }

  void list_obstacles() {
    closed_.assign(stuck_.size(), 0);
    std::vector<Digraph::Edge> edges;  // helper -> obstacle
    for (std::size_t w = 0; w < stuck_.size(); ++w) {
      if (!stuck_[w]) continue;
      const Wait& wait = sample_.waits[w];
      for (const Obstacle& obstacle : wait.obstacles) {
        const std::size_t number = wait_of_obstacle_.size();
        wait_of_obstacle_.push_back(w);
        bool removable = !obstacle.known && !rules_.only_known_help;
        const auto add = [&](const Releaser& releaser) {
          const std::size_t helper = helper_of(releaser, lenient(wait, obstacle));
          if (helper == kNone) {
            removable = true;  // out of sight: nothing is known of what it does
          } else {
            edges.emplace_back(helper, number);
          }
        };
        for (const Releaser& releaser : obstacle.any_of) add(releaser);
        // Whoever has the lock on its stack is the best guess at its holder: it helps, even if only asleep.
        if (rules_.sleepers_may_be_idle) {
          for (const Releaser& releaser : obstacle.likely) add(releaser);
        }
        removed_.push_back(removable);
        if (!removable) ++closed_[w];
      }
    }
    helped_.emplace(helper_count(), edges);
    helps_.assign(helper_count(), false);
  }

  // Only where memory or kernel names the owner. Who reads under a rwlock is written nowhere, and a reader may sleep.
  [[nodiscard]] bool lenient(const Wait& wait, const Obstacle& obstacle) const {
    return rules_.sleepers_may_be_idle && (!obstacle.candidates || wait.self || wait.owner_gone != OwnerGone::no);
  }

  [[nodiscard]] std::size_t helper_of(const Releaser& releaser, bool is_lenient) const {
    if (releaser.scope == Releaser::Scope::thread) return index_.find(releaser.thread);
    const std::size_t process = index_.process(releaser.pid);
    return process == kNone ? kNone : process_helper(process, is_lenient);
  }

  [[nodiscard]] bool can_help(std::size_t helper) const {
    if (helper < ability_.size()) {
      return ability_[helper] == Ability::asleep || ability_[helper] == Ability::awake;
    }
    const std::size_t number = helper - ability_.size();
    const Counts& counts = counts_[number / 2];
    const bool is_lenient = number % 2 == 1;
    return counts.awake > 0 || (counts.asleep > 0 && (!is_lenient || counts.stuck == 0));
  }

  void notice(std::size_t helper) {
    if (helps_[helper] || !can_help(helper)) return;
    helps_[helper] = true;
    work_.push_back(helper);
  }

  void strike(std::size_t wait) {
    if (!stuck_[wait]) return;
    stuck_[wait] = false;
    const std::size_t thread = sample_.waits[wait].thread;
    const std::size_t process = index_.process_of(thread);
    --counts_[process].stuck;
    ability_[thread] = after_[thread];
    count(thread);
    notice(thread);
    notice(process_helper(process, false));
    notice(process_helper(process, true));
  }

  const Sample& sample_;
  const ThreadIndex& index_;
  Rules rules_;
  std::vector<Ability> ability_;               // by thread, now
  std::vector<Ability> after_;                 // by thread, once its wait is struck out
  std::vector<bool> stuck_;                    // by wait
  std::vector<Counts> counts_;                 // by process
  std::vector<std::size_t> closed_;            // by wait: obstacles that nobody can remove yet
  std::vector<std::size_t> wait_of_obstacle_;  // obstacles are numbered wait by wait
  std::vector<bool> removed_;                  // by obstacle
  std::optional<Digraph> helped_;              // helper -> obstacles that it can remove
  std::vector<bool> helps_;                    // by helper
  std::vector<std::size_t> work_;
};

// Threads that sleep without timeout, and whom nobody who is awake will wake as far as we know: an idle pool, but not
// a thread that waits for a lock that a working one holds.
std::vector<bool> find_sleepers(const Sample& sample, const ThreadIndex& index, const std::vector<bool>& standing,
                                const std::vector<bool>& quiet) {
  std::vector<bool> waits_for_somebody = standing;
  for (std::size_t w = 0; w < sample.waits.size(); ++w) {
    bool somebody = false;
    for (const Obstacle& obstacle : sample.waits[w].obstacles) somebody = somebody || !obstacle.any_of.empty();
    waits_for_somebody[w] = standing[w] && somebody;
  }
  Fixpoint fixpoint(sample, index, waits_for_somebody, {.only_known_help = true});
  for (std::size_t t = 0; t < quiet.size(); ++t) {
    const std::size_t wait = index.wait_of(t);
    const bool judged = wait != kNone && waits_for_somebody[wait];
    if (quiet[t] && !judged) fixpoint.set_ability(t, Ability::never);
  }
  fixpoint.run();
  std::vector<bool> sleepers(quiet.size());
  for (std::size_t t = 0; t < quiet.size(); ++t) sleepers[t] = quiet[t] && fixpoint.ability(t) != Ability::awake;
  return sleepers;
}

}  // namespace

StuckWaits find_stuck_waits(const Sample& sample, const ThreadIndex& index, const std::vector<bool>& standing,
                            const std::vector<bool>& quiet, Strictness strictness) {
  Fixpoint fixpoint(sample, index, standing,
                    {.timed_waits_end = strictness != Strictness::timeouts,
                     .sleepers_may_be_idle = strictness == Strictness::suspicion});
  if (strictness == Strictness::suspicion) {
    const std::vector<bool> sleepers = find_sleepers(sample, index, standing, quiet);
    for (std::size_t t = 0; t < sleepers.size(); ++t) {
      if (sleepers[t]) fixpoint.set_ability(t, Ability::asleep);
    }
  }
  // An inert thread that ran between the looks may have let go of something in that time.
  for (const std::size_t t : sample.inert) {
    if (quiet[t]) fixpoint.set_ability(t, Ability::never);
  }
  fixpoint.run();
  return fixpoint.result();
}

}  // namespace lockscope
