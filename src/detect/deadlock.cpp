// SPDX-License-Identifier: Apache-2.0
// deadlock: threads that wait for each other, over any mix of lock kinds and processes. Cycles of one thread are
// self_deadlock's. Reads the knots; linear in them.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "detect/catalog.h"
#include "detect/judged_knots.h"
#include "detect/wording.h"

namespace lockscope {
namespace {

std::string names_of(const Sample& sample, const std::set<pid_t>& processes) {
  std::vector<std::string> names;
  for (const pid_t pid : processes) names.push_back(name_process(sample, pid));
  return name_list(names);
}

std::string summary_of(const Sample& sample, const JudgedKnot& judged, std::size_t victims) {
  const std::vector<std::size_t>& cycle = judged.knot->cycle;
  const std::set<pid_t> processes = processes_of(sample, cycle);
  const char* verb = judged.confidence == Confidence::confirmed ? "wait for each other" : "seem to wait for each other";
  std::string text;
  if (cycle.size() <= 3) {
    std::vector<std::string> threads;
    std::vector<std::string> locks;
    for (const std::size_t w : cycle) {
      threads.push_back(name_thread(sample.raw.threads[sample.waits[w].thread]));
      locks.push_back(name_lock(sample, sample.waits[w]));
    }
    text = fmt::format("{} {}{}: {}", name_list(threads), verb,
                       processes.size() > 1 ? fmt::format(" across {} processes", processes.size()) : "",
                       fmt::join(locks, ", "));
  } else if (processes.size() == 1) {
    text = fmt::format("{} of {} {} in a ring", name_threads(cycle.size()), names_of(sample, processes), verb);
  } else {
    text = fmt::format("{} of {} processes ({}) {} in a ring", name_threads(cycle.size()), processes.size(),
                       names_of(sample, processes), verb);
  }
  if (victims > 0) text += fmt::format("; {} more wait{} behind them", victims, victims == 1 ? "s" : "");
  if (judged.will_time_out) text += "; a timeout will end it";
  return text;
}

std::set<pid_t> releasing_processes(const Wait& wait) {
  std::set<pid_t> processes;
  for (const Obstacle& obstacle : wait.obstacles) {
    for (const Releaser& releaser : obstacle.any_of) processes.insert(releaser.pid);
  }
  return processes;
}

// The cheapest way out that the kinds in the cycle allow, and what keeps it from coming back.
std::string hint_for(const Sample& sample, const JudgedKnot& judged) {
  const std::vector<std::size_t>& cycle = judged.knot->cycle;
  const std::set<pid_t> processes = processes_of(sample, cycle);
  const auto wait_of = [&](LockKind kind) -> const Wait* {
    const auto found = std::ranges::find_if(cycle, [&](std::size_t w) { return sample.waits[w].kind == kind; });
    return found == cycle.end() ? nullptr : &sample.waits[*found];
  };
  const auto file_lock = std::ranges::find_if(cycle, [&](std::size_t w) { return is_file_lock(sample.waits[w].kind); });

  if (judged.will_time_out) {
    return "the timeout will end this wait, not its cause: take these locks in the same order everywhere";
  }
  if (file_lock != cycle.end()) {
    const std::set<pid_t> sharers = releasing_processes(sample.waits[*file_lock]);
    return fmt::format("end {}: that lets go of the {}; then take these locks in the same order everywhere",
                       names_of(sample, sharers), name_lock(sample, sample.waits[*file_lock]));
  }
  if (const Wait* child = wait_of(LockKind::child)) {
    return fmt::format(
        "end {}: its parent waits for that and goes on; do not wait for a child while holding a lock "
        "that it needs",
        names_of(sample, releasing_processes(*child)));
  }
  const std::string restart = fmt::format(
      "nothing inside {} can end this: save the stacks (gdb -p {} -batch -ex 'thread apply all bt'), "
      "restart it",
      names_of(sample, processes), *processes.begin());
  if (processes.size() > 1) {
    if (wait_of(LockKind::robust_mutex) != nullptr) {
      return fmt::format(
          "end one of {}: a robust mutex goes on to the next waiter; then take these locks in the same "
          "order everywhere",
          names_of(sample, processes));
    }
    return fmt::format(
        "restart all of {} together: ending one leaves its process-shared lock locked; then take these "
        "locks in the same order everywhere, and make them robust",
        names_of(sample, processes));
  }
  if (wait_of(LockKind::join) != nullptr) {
    return restart + "; do not join a thread while holding a lock that it needs";
  }
  const bool upgrade = std::ranges::all_of(cycle, [&](std::size_t w) {
    return sample.waits[w].kind == LockKind::rwlock && sample.waits[w].lock == sample.waits[cycle.front()].lock;
  });
  if (upgrade) return restart + "; let go of the read lock before asking for the write lock";
  return restart + "; then take these locks in the same order everywhere";
}

class DeadlockDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    for (const JudgedKnot& judged : judge_knots(view)) {
      if (judged.knot->cycle.size() < 2) continue;
      Finding finding = finding_of(kDeadlock, view, judged);
      finding.summary = summary_of(view.sample, judged, finding.victims.size());
      finding.hint = hint_for(view.sample, judged);
      findings.push_back(std::move(finding));
    }
  }
};

}  // namespace

constinit const CatalogEntry kDeadlock{
    .name = "deadlock",
    .cwe = 833,
    .level = Level::sample,
    .description = "threads wait for each other, over any mix of lock kinds and processes",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<DeadlockDetector>(); }};

}  // namespace lockscope
