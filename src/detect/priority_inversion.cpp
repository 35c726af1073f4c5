// SPDX-License-Identifier: Apache-2.0
// priority_inversion: a real-time thread waits for a lock whose one holder has a lower priority, and nothing lends the
// holder that of the waiter. Only where the holder wants to go on: it runs or is ready to, or waits for a lock itself.
// One that sleeps for a reason of its own would not be faster with a higher priority. Threads in deadlocks are left to
// that finding. One finding a lock and holder; n log n.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>

#include "detect/catalog.h"
#include "detect/fingerprint.h"
#include "detect/judged_knots.h"
#include "detect/wording.h"
#include "lockscope/lock_table.h"

namespace lockscope {
namespace {

constexpr int kFirstOrdinaryPriority = 100;
constexpr std::size_t kNamedAtMost = 64;

struct Inversion {
  std::size_t holder = 0;  // index into raw.threads
  bool holder_waits = false;
  std::vector<std::size_t> waiters;
};

class PriorityInversionDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    std::map<std::pair<LockId, ThreadId>, Inversion> found;
    std::map<ThreadId, std::size_t> thread_of;
    for (std::size_t w = 0; w < view.sample.waits.size(); ++w) {
      const Wait& wait = view.sample.waits[w];
      const Thread& waiter = view.sample.raw.threads[wait.thread];
      if (!view.graph.standing(w) || is_stuck(view, w) || waiter.state != ThreadState::blocked) continue;
      if (!can_be_held(wait.kind) || lends_priority(wait.kind)) continue;
      if (!waiter.priority || *waiter.priority >= kFirstOrdinaryPriority) continue;
      if (thread_of.empty()) index_threads(view.sample, thread_of);
      const auto holder = holder_of(view.sample, wait, thread_of);
      if (!holder) continue;
      const Thread& thread = view.sample.raw.threads[*holder];
      if (!thread.priority || *thread.priority <= *waiter.priority) continue;
      const bool waits = waits_for_lock(view.sample, *holder);
      if (thread.state != ThreadState::running && !waits) continue;
      Inversion& inversion = found[{wait.lock, thread.id}];
      inversion.holder = *holder;
      inversion.holder_waits = waits;
      inversion.waiters.push_back(w);
    }
    for (const auto& [key, inversion] : found) findings.push_back(report(view, inversion));
  }

 private:
  static bool lends_priority(LockKind kind) {
    return kind == LockKind::pi_mutex || kind == LockKind::priority_protect_mutex;
  }

  static bool is_stuck(const SampleView& view, std::size_t w) {
    return view.proof.stuck[w] || view.timeouts.stuck[w] || view.suspicion.stuck[w];
  }

  static void index_threads(const Sample& sample, std::map<ThreadId, std::size_t>& thread_of) {
    for (std::size_t t = 0; t < sample.raw.threads.size(); ++t) thread_of.emplace(sample.raw.threads[t].id, t);
  }

  // The only thread that can let go.
  static std::optional<std::size_t> holder_of(const Sample& sample, const Wait& wait,
                                              const std::map<ThreadId, std::size_t>& thread_of) {
    if (wait.obstacles.size() != 1) return std::nullopt;
    const Obstacle& obstacle = wait.obstacles.front();
    if (!obstacle.known || obstacle.candidates || obstacle.evidence == Evidence::unknown) return std::nullopt;
    if (obstacle.any_of.size() != 1) return std::nullopt;
    const Releaser& releaser = obstacle.any_of.front();
    if (releaser.scope == Releaser::Scope::thread) {
      const auto found = thread_of.find(releaser.thread);
      return found == thread_of.end() ? std::nullopt : std::optional(found->second);
    }
    const auto threads = std::ranges::equal_range(sample.raw.threads, releaser.pid, {}, &Thread::pid);
    if (threads.size() != 1) return std::nullopt;
    return static_cast<std::size_t>(&threads.front() - sample.raw.threads.data());
  }

  static bool waits_for_lock(const Sample& sample, std::size_t thread) {
    const auto wait = std::ranges::lower_bound(sample.waits, thread, {}, &Wait::thread);
    return wait != sample.waits.end() && wait->thread == thread && can_be_held(wait->kind);
  }

  static Finding report(const SampleView& view, const Inversion& inversion) {
    const Sample& sample = view.sample;
    const Wait& first = sample.waits[inversion.waiters.front()];
    const Thread& waiter = sample.raw.threads[first.thread];
    const Thread& holder = sample.raw.threads[inversion.holder];
    Finding finding;
    finding.kind = kPriorityInversion.name;
    finding.cwe = kPriorityInversion.cwe;
    finding.severity = Severity::warning;
    // Whether the lock that the holder waits for comes soon is its own matter.
    finding.confidence = inversion.holder_waits ? Confidence::likely : Confidence::confirmed;
    finding.fingerprint = Fingerprint(kPriorityInversion.name).add_lock(sample, first).add(holder.id).hex();
    finding.waiters = inversion.waiters;
    finding.waiters.resize(std::min(finding.waiters.size(), kNamedAtMost));
    for (const std::size_t w : inversion.waiters) finding.age_ns = std::max(finding.age_ns, sample.waits[w].blocked_ns);
    finding.summary = fmt::format("{}, a real-time thread, waits for {} that {} holds at a lower priority{}",
                                  name_thread(waiter), name_lock(sample, first), name_thread(holder),
                                  inversion.holder_waits ? ", itself waiting for a lock" : " and is ready to run");
    if (finding.age_ns) finding.summary += fmt::format(", for at least {}", name_duration(*finding.age_ns));
    finding.hint = is_file_lock(first.kind)
                       ? "let a thread of the same priority take the lock, or do not wait for it in real-time threads"
                       : "make the mutex inherit priorities (pthread_mutexattr_setprotocol, PTHREAD_PRIO_INHERIT)";
    finding.evidence.emplace_back("waiter_priority", std::int64_t{*waiter.priority});
    finding.evidence.emplace_back("holder_priority", std::int64_t{*holder.priority});
    finding.evidence.emplace_back("holder_state", name_state(sample, holder.pid));
    add_common_evidence(view, finding.waiters, finding);
    return finding;
  }
};

}  // namespace

constinit const CatalogEntry kPriorityInversion{
    .name = "priority_inversion",
    .cwe = 667,
    .level = Level::sample,
    .description = "a real-time thread waits behind a holder of lower priority, without priority inheritance",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<PriorityInversionDetector>(); }};

}  // namespace lockscope
