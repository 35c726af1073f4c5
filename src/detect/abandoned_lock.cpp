// SPDX-License-Identifier: Apache-2.0
// abandoned_lock: the owner that the lock's memory names is gone, and nobody is left who could unlock it. One finding a
// lock, with all its waiters and all who wait behind them. Reads the dead ends of the solutions; linear but for
// sorting.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "detect/catalog.h"
#include "detect/fingerprint.h"
#include "detect/judged_knots.h"
#include "detect/wording.h"

namespace lockscope {
namespace {

const char* how_gone(OwnerGone gone) {
  switch (gone) {
    case OwnerGone::no: return "no";
    case OwnerGone::exited: return "exited";
    case OwnerGone::before_fork: return "before_fork";
    case OwnerGone::not_recoverable: return "not_recoverable";
  }
  std::abort();
}

struct Abandoned {
  std::vector<std::size_t> waiters;
  std::vector<std::size_t> victims;
};

// By lock, the stuck waits that `wanted` lets through, and who stands behind them.
template <class Wanted>
std::map<LockId, Abandoned> abandoned_in(const SampleView& view, const WaitForGraph::Solution& solution,
                                         Wanted wanted) {
  std::map<LockId, Abandoned> locks;
  for (const DeadEnd& end : solution.dead_ends) {
    const Wait& wait = view.sample.waits[end.wait];
    if (wait.owner_gone == OwnerGone::no || !wanted(wait)) continue;
    Abandoned& lock = locks[wait.lock];
    lock.waiters.push_back(end.wait);
    lock.victims.insert(lock.victims.end(), end.victims.begin(), end.victims.end());
  }
  return locks;
}

std::string owner_words(const Wait& wait) {
  const std::string owner = wait.gone_owner ? fmt::format("thread {}", *wait.gone_owner) : "a thread";
  switch (wait.owner_gone) {
    case OwnerGone::no: break;
    case OwnerGone::exited: return fmt::format("{} locked it and has ended without unlocking it", owner);
    case OwnerGone::before_fork: return fmt::format("{} of the parent held it when this process was forked", owner);
    case OwnerGone::not_recoverable: return "its owner died and what it guards was not made consistent";
  }
  return "its owner is gone";
}

const char* cure_for(OwnerGone gone) {
  switch (gone) {
    case OwnerGone::no:
    case OwnerGone::exited: return "unlock before the thread ends (a guard does), or make the mutex robust";
    case OwnerGone::before_fork:
      return "between fork and exec call only async-signal-safe functions, or fork from a "
             "process without threads";
    case OwnerGone::not_recoverable:
      return "after EOWNERDEAD repair what the mutex guards and call "
             "pthread_mutex_consistent";
  }
  std::abort();
}

enum class Certainty { proved, until_timeout, suspected };

class AbandonedLockDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    const auto proved = abandoned_in(view, view.proof, [](const Wait&) { return true; });
    for (const auto& [lock, what] : proved) findings.push_back(report(view, what, Certainty::proved));

    const auto timed =
        abandoned_in(view, view.timeouts, [&](const Wait& wait) { return wait.timed && times_out_late(view, wait); });
    for (const auto& [lock, what] : timed) {
      if (!proved.contains(lock)) findings.push_back(report(view, what, Certainty::until_timeout));
    }
    const auto suspected = abandoned_in(view, view.suspicion, [&](const Wait& wait) {
      return wait.blocked_ns && std::chrono::nanoseconds(*wait.blocked_ns) >= view.thresholds.long_hold;
    });
    for (const auto& [lock, what] : suspected) {
      if (proved.contains(lock) || timed.contains(lock)) continue;
      findings.push_back(report(view, what, Certainty::suspected));
    }
  }

 private:
  static Finding report(const SampleView& view, const Abandoned& what, Certainty certainty) {
    const Sample& sample = view.sample;
    const Wait& first = sample.waits[what.waiters.front()];
    Finding finding;
    finding.kind = kAbandonedLock.name;
    finding.cwe = kAbandonedLock.cwe;
    finding.severity = certainty == Certainty::until_timeout ? Severity::warning : Severity::critical;
    finding.confidence = certainty == Certainty::suspected ? Confidence::likely : Confidence::confirmed;
    finding.waiters = what.waiters;
    finding.victims = what.victims;
    // Waiters come and go; the lock and its owner stay what they are.
    Fingerprint fingerprint(kAbandonedLock.name);
    fingerprint.add_lock(sample, first).add(static_cast<std::uint64_t>(first.gone_owner.value_or(0)));
    finding.fingerprint = fingerprint.hex();
    for (const std::size_t w : what.waiters) finding.age_ns = std::max(finding.age_ns, sample.waits[w].blocked_ns);

    std::vector<std::string> waiters;
    for (const std::size_t w : what.waiters) {
      waiters.push_back(name_thread(sample.raw.threads[sample.waits[w].thread]));
    }
    finding.summary = fmt::format("{} wait{} for {}, which nobody {} unlock: {}", name_list(waiters),
                                  waiters.size() == 1 ? "s" : "", name_lock(sample, first),
                                  finding.confidence == Confidence::confirmed ? "can" : "seems to", owner_words(first));
    const std::size_t behind = what.victims.size();
    if (behind > 0) finding.summary += fmt::format("; {} more wait{} behind", behind, behind == 1 ? "s" : "");
    if (certainty == Certainty::until_timeout) finding.summary += "; a timeout will end the wait";
    std::vector<std::string> processes;
    for (const pid_t pid : processes_of(sample, what.waiters)) processes.push_back(name_process(sample, pid));
    finding.hint = fmt::format("restart {}; {}", name_list(processes), cure_for(first.owner_gone));

    finding.evidence.emplace_back("owner_gone", std::string(how_gone(first.owner_gone)));
    if (first.gone_owner) finding.evidence.emplace_back("owner_tid", std::int64_t{*first.gone_owner});
    finding.evidence.emplace_back("owner_enforced", first.owner_enforced);
    add_common_evidence(view, what.waiters, finding);
    if (certainty == Certainty::until_timeout) finding.evidence.emplace_back("will_time_out", true);
    if (certainty == Certainty::suspected) {
      finding.evidence.emplace_back("rests_on_sleepers", true);
      const std::string helpers = sleeping_helpers(view, what.waiters);
      if (!helpers.empty()) finding.evidence.emplace_back("sleepers_that_could_help", helpers);
    }
    return finding;
  }
};

}  // namespace

constinit const CatalogEntry kAbandonedLock{
    .name = "abandoned_lock",
    .cwe = 667,
    .level = Level::sample,
    .description = "the owner of a lock is gone and its waiters wait for ever",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<AbandonedLockDetector>(); }};

}  // namespace lockscope
