// SPDX-License-Identifier: Apache-2.0
// self_deadlock: a thread waits for a lock that it holds itself, or its process does. Reads the knots of one; linear.
#include <fmt/format.h>

#include <algorithm>

#include "detect/catalog.h"
#include "detect/judged_knots.h"
#include "detect/wording.h"

namespace lockscope {
namespace {

// Whether nobody but this thread can be the holder: memory says so, or there is nobody else.
bool holder_is_certain(const Sample& sample, const Wait& wait) {
  if (wait.self) return true;
  const ThreadId self = sample.raw.threads[wait.thread].id;
  for (const Obstacle& obstacle : wait.obstacles) {
    for (const Releaser& releaser : obstacle.any_of) {
      if (releaser.scope == Releaser::Scope::thread) {
        if (releaser.thread != self) return false;
      } else if (std::ranges::any_of(sample.raw.threads,
                                     [&](const Thread& t) { return t.pid == releaser.pid && t.id != self; })) {
        return false;
      }
    }
  }
  return true;
}

std::string summary_of(const Sample& sample, const JudgedKnot& judged, std::size_t victims) {
  const Wait& wait = sample.waits[judged.knot->cycle.front()];
  const Thread& thread = sample.raw.threads[wait.thread];
  std::string text = fmt::format("{} waits for {} that ", name_thread(thread), name_lock(sample, wait));
  if (is_file_lock(wait.kind)) {
    text += "its own process holds through another descriptor";
  } else if (!holder_is_certain(sample, wait)) {
    text += "only stuck threads can hold, most likely itself";
  } else if (wait.kind == LockKind::rwlock && !wait.self) {
    text += "it holds itself for reading";
  } else {
    text += "it holds itself";
  }
  if (judged.rests_on_sleepers) text += "; only threads that have been asleep all the time could unlock it";
  if (victims > 0) text += fmt::format("; {} more wait{} behind it", victims, victims == 1 ? "s" : "");
  if (judged.will_time_out) text += "; a timeout will end it";
  return text;
}

std::string hint_for(const Sample& sample, const JudgedKnot& judged) {
  const Wait& wait = sample.waits[judged.knot->cycle.front()];
  const pid_t pid = sample.raw.threads[wait.thread].pid;
  if (is_file_lock(wait.kind)) {
    return fmt::format("end {}; lock a file through one descriptor only", name_process(sample, pid));
  }
  const char* cure = wait.kind == LockKind::rwlock ? "let go of the read lock before asking for the write lock"
                                                   : "do not lock it again while holding it, or make it recursive";
  if (judged.will_time_out) return fmt::format("the timeout will end this wait, not its cause: {}", cure);
  return fmt::format("save the stacks (gdb -p {} -batch -ex 'thread apply all bt') and restart {}; {}", pid,
                     name_process(sample, pid), cure);
}

class SelfDeadlockDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    for (const JudgedKnot& judged : judge_knots(view)) {
      if (judged.knot->cycle.size() != 1) continue;
      Finding finding = finding_of(kSelfDeadlock, view, judged);
      finding.summary = summary_of(view.sample, judged, finding.victims.size());
      finding.hint = hint_for(view.sample, judged);
      findings.push_back(std::move(finding));
    }
  }
};

}  // namespace

constinit const CatalogEntry kSelfDeadlock{
    .name = "self_deadlock",
    .cwe = 764,
    .level = Level::sample,
    .description = "a thread waits for a lock that it holds itself",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<SelfDeadlockDetector>(); }};

}  // namespace lockscope
