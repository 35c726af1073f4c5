// SPDX-License-Identifier: Apache-2.0
// long_hold: a lock is held long while others wait. Waiting long is no fault in itself (idle pools do it for hours), so
// this speaks only if the operator set the threshold, or if the holder is stopped and stands in the way. One finding a
// lock; who waits behind its waiters, over further locks, is a victim of it and no finding of its own. Linear but for
// one ordered map of locks.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "detect/catalog.h"
#include "detect/fingerprint.h"
#include "detect/judged_knots.h"
#include "detect/wording.h"
#include "lockscope/lock_table.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kStoppedLong = 1'000'000'000;

// A lock with its one holder, and the standing waits for it.
struct Hold {
  Releaser holder;
  std::vector<std::size_t> holder_threads;
  std::vector<std::size_t> waiters;
  std::vector<std::size_t> victims;
  bool stopped = false;  // each thread that could let go is
};

class LongHoldDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    std::vector<Hold> holds = find_holds(view);
    for (const std::size_t root : find_roots(view, holds)) findings.push_back(report(view, holds[root]));
  }

 private:
  // Stuck for good, behind others who are: a deadlock or an abandoned lock is to blame. Behind an inert thread nobody
  // else is.
  static std::vector<bool> explained_otherwise(const SampleView& view) {
    std::vector<bool> explained(view.sample.waits.size(), false);
    for (const WaitForGraph::Solution* solution : {&view.proof, &view.timeouts, &view.suspicion}) {
      std::vector<bool> stuck = solution->stuck;
      for (const DeadEnd& end : solution->dead_ends) {
        if (view.sample.waits[end.wait].owner_gone != OwnerGone::no) continue;
        stuck[end.wait] = false;
        for (const std::size_t w : end.victims) stuck[w] = false;
      }
      for (std::size_t w = 0; w < stuck.size(); ++w) explained[w] = explained[w] || stuck[w];
    }
    return explained;
  }

  static std::vector<Hold> find_holds(const SampleView& view) {
    const Sample& sample = view.sample;
    const std::vector<bool> explained = explained_otherwise(view);
    std::map<ThreadId, std::size_t> thread_of;
    std::map<pid_t, std::vector<std::size_t>> threads_of;
    for (std::size_t t = 0; t < sample.raw.threads.size(); ++t) {
      thread_of.emplace(sample.raw.threads[t].id, t);
      threads_of[sample.raw.threads[t].pid].push_back(t);
    }
    std::map<std::pair<LockId, Releaser>, Hold> holds;
    for (std::size_t w = 0; w < sample.waits.size(); ++w) {
      const Wait& wait = sample.waits[w];
      if (!view.graph.standing(w) || explained[w] || !can_be_held(wait.kind) || wait.obstacles.size() != 1) continue;
      const Obstacle& obstacle = wait.obstacles.front();
      if (!obstacle.known || obstacle.candidates || obstacle.any_of.size() != 1) continue;
      Hold& hold = holds[{wait.lock, obstacle.any_of.front()}];
      hold.holder = obstacle.any_of.front();
      hold.waiters.push_back(w);
    }
    std::vector<Hold> result;
    for (auto& [key, hold] : holds) {
      if (hold.holder.scope == Releaser::Scope::any_thread_of_process) {
        hold.holder_threads = threads_of[hold.holder.pid];
      } else if (const auto found = thread_of.find(hold.holder.thread); found != thread_of.end()) {
        hold.holder_threads = {found->second};
      }
      hold.stopped = std::ranges::all_of(hold.holder_threads, [&](std::size_t t) {
        const Thread& thread = sample.raw.threads[t];
        return thread.state == ThreadState::stopped && thread.blocked_ns.value_or(kStoppedLong) >= kStoppedLong;
      });
      if (!hold.holder_threads.empty()) result.push_back(std::move(hold));
    }
    return result;
  }

  // A waiter that is stopped itself misses nothing.
  static bool waits_for(const Sample& sample, const Hold& hold, std::uint64_t at_least) {
    return std::ranges::any_of(hold.waiters, [&](std::size_t w) {
      const Wait& wait = sample.waits[w];
      return wait.blocked_ns && *wait.blocked_ns >= at_least &&
             sample.raw.threads[wait.thread].state == ThreadState::blocked;
    });
  }

  static bool worth_reporting(const SampleView& view, const Hold& hold) {
    const auto threshold = static_cast<std::uint64_t>(std::max<std::int64_t>(view.thresholds.long_hold.count(), 0));
    return (view.thresholds.long_hold_set && waits_for(view.sample, hold, threshold)) ||
           (hold.stopped && waits_for(view.sample, hold, kStoppedLong));
  }

  // Holds worth reporting, with all who wait behind them as victims. A holder that waits itself is no root: who waits
  // for it waits for the one at the end of the chain.
  static std::vector<std::size_t> find_roots(const SampleView& view, std::vector<Hold>& holds) {
    std::map<std::size_t, std::size_t> waits_in;  // thread -> hold
    for (std::size_t h = 0; h < holds.size(); ++h) {
      for (const std::size_t w : holds[h].waiters) waits_in.emplace(view.sample.waits[w].thread, h);
    }
    std::vector<std::vector<std::size_t>> behind(holds.size());
    std::vector<std::size_t> open;
    for (std::size_t h = 0; h < holds.size(); ++h) {
      const bool single = holds[h].holder_threads.size() == 1 && !holds[h].stopped;
      const auto found = single ? waits_in.find(holds[h].holder_threads.front()) : waits_in.end();
      if (found == waits_in.end()) {
        open.push_back(h);
      } else {
        behind[found->second].push_back(h);
      }
    }
    std::vector<std::size_t> roots;
    std::vector<std::size_t> root_of(holds.size(), holds.size());
    while (!open.empty()) {
      const std::size_t h = open.back();
      open.pop_back();
      if (root_of[h] < holds.size()) {
        std::vector<std::size_t>& victims = holds[root_of[h]].victims;
        victims.insert(victims.end(), holds[h].waiters.begin(), holds[h].waiters.end());
      } else if (worth_reporting(view, holds[h])) {
        root_of[h] = h;
        roots.push_back(h);
      }
      for (const std::size_t follower : behind[h]) {
        root_of[follower] = root_of[h];
        open.push_back(follower);
      }
    }
    std::ranges::sort(roots);
    for (const std::size_t root : roots) std::ranges::sort(holds[root].victims);
    return roots;
  }

  static std::string holder_does(const Sample& sample, const Hold& hold) {
    if (hold.stopped) return "is stopped";
    if (hold.holder_threads.size() > 1) {
      return fmt::format("has {} that could let go", name_threads(hold.holder_threads.size()));
    }
    const std::size_t t = hold.holder_threads.front();
    const Thread& thread = sample.raw.threads[t];
    const auto wait = std::ranges::find(sample.waits, t, &Wait::thread);
    if (wait != sample.waits.end()) return fmt::format("itself waits for {}", name_lock(sample, *wait));
    switch (thread.state) {
      case ThreadState::running: return "is running";
      case ThreadState::blocked:
        return thread.syscall ? fmt::format("sleeps in {}", name_call(*thread.syscall)) : "sleeps";
      case ThreadState::stopped: return "is stopped";
      case ThreadState::exiting: return "is exiting";
    }
    std::abort();
  }

  static Finding report(const SampleView& view, const Hold& hold) {
    const Sample& sample = view.sample;
    const Wait& first = sample.waits[hold.waiters.front()];
    Finding finding;
    finding.kind = kLongHold.name;
    finding.cwe = kLongHold.cwe;
    finding.severity = Severity::warning;
    finding.waiters = hold.waiters;
    finding.victims = hold.victims;
    Fingerprint fingerprint(kLongHold.name);
    fingerprint.add_lock(sample, first).add(static_cast<std::uint64_t>(hold.holder.pid)).add(hold.holder.thread);
    finding.fingerprint = fingerprint.hex();
    for (const std::size_t w : hold.waiters) finding.age_ns = std::max(finding.age_ns, sample.waits[w].blocked_ns);

    const std::string holder = name_releaser(sample, hold.holder);
    const std::size_t waiters = hold.waiters.size();
    finding.summary = fmt::format("{} holds {} and {}, while {} wait{} for it", holder, name_lock(sample, first),
                                  holder_does(sample, hold), name_threads(waiters), waiters == 1 ? "s" : "");
    if (finding.age_ns) {
      finding.summary += fmt::format(", {}for at least {}", waiters == 1 ? "" : "one ", name_duration(*finding.age_ns));
    }
    const std::size_t behind = hold.victims.size();
    if (behind > 0) finding.summary += fmt::format("; {} more wait{} behind", behind, behind == 1 ? "s" : "");
    finding.hint = hold.stopped
                       ? fmt::format("let it go on (kill -CONT {}, detach the debugger or thaw its cgroup), or end it",
                                     hold.holder.pid)
                       : fmt::format(
                             "see what {} does under the lock (gdb -p {} -batch -ex 'thread apply all bt') and "
                             "shorten that",
                             holder, hold.holder.pid);
    finding.evidence.emplace_back("holder_stopped", hold.stopped);
    finding.evidence.emplace_back("threshold_set", view.thresholds.long_hold_set);
    add_common_evidence(view, hold.waiters, finding);
    return finding;
  }
};

}  // namespace

constinit const CatalogEntry kLongHold{
    .name = "long_hold",
    .cwe = 667,
    .level = Level::sample,
    .description = "a lock is held beyond the threshold, or by a stopped thread, while others wait",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<LongHoldDetector>(); }};

}  // namespace lockscope
