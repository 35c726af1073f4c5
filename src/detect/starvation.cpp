// SPDX-License-Identifier: Apache-2.0
// starvation: a thread waits on and on for a lock that meanwhile changes hands again and again. Handovers of file locks
// are counted by the kernel; of mutexes, the owners that look after look showed are. A queue that is served in turn is
// no starvation: there must have been more handovers than would have emptied it twice. Locks only, never what is waited
// for as a signal. One finding a lock; linear but for one ordered map.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "detect/catalog.h"
#include "detect/fingerprint.h"
#include "detect/wording.h"
#include "lockscope/lock_table.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kHandoversAtLeast = 3;
constexpr std::size_t kNamedAtMost = 64;

struct Starved {
  std::vector<std::size_t> waiters;
  std::uint64_t handovers = 0;
  std::uint64_t since_ns = 0;
};

// Grants on other bytes of the file are not handovers of these.
bool is_whole(const Wait& wait) { return wait.range_start == 0 && wait.range_end == ~std::uint64_t{0}; }

class StarvationDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    if (view.locks == nullptr) return;
    const LockTable& locks = *view.locks;
    const Sample& sample = view.sample;
    const auto threshold = static_cast<std::uint64_t>(std::max<std::int64_t>(view.thresholds.starved.count(), 0));
    std::map<ContendedLock, std::uint64_t> queue;
    for (const Wait& wait : sample.waits) {
      const LockTable::Standing* standing = locks.standing(sample.raw.threads[wait.thread].id);
      if (standing != nullptr) ++queue[standing->lock];
    }
    std::map<ContendedLock, Starved> starved;
    for (std::size_t w = 0; w < sample.waits.size(); ++w) {
      const Wait& wait = sample.waits[w];
      const Thread& thread = sample.raw.threads[wait.thread];
      const LockTable::Standing* standing = locks.standing(thread.id);
      if (standing == nullptr || standing->looks < 2 || !can_be_held(wait.kind)) continue;
      if (thread.state != ThreadState::blocked || locks.now_ns() - standing->since_ns < threshold) continue;
      const std::uint64_t handovers = handovers_since(locks, thread, wait, *standing);
      if (handovers < std::max(kHandoversAtLeast, 2 * queue[standing->lock])) continue;
      Starved& found = starved[standing->lock];
      if (found.waiters.empty() || standing->since_ns < found.since_ns) {
        found.since_ns = standing->since_ns;
        found.handovers = handovers;
      }
      found.waiters.push_back(w);
    }
    for (const auto& [lock, found] : starved) findings.push_back(report(view, lock, found));
  }

 private:
  static std::uint64_t handovers_since(const LockTable& locks, const Thread& thread, const Wait& wait,
                                       const LockTable::Standing& standing) {
    if (is_file_lock(wait.kind)) return is_whole(wait) ? locks.passed_over(thread.id, thread.pid) : 0;
    const LockTable::Lock* lock = locks.find(standing.lock);
    if (lock == nullptr) return 0;
    return lock->holder_changes - std::min(lock->holder_changes, standing.holder_changes_before);
  }

  static Finding report(const SampleView& view, const ContendedLock& lock, const Starved& found) {
    const Wait& first = view.sample.waits[found.waiters.front()];
    const std::size_t count = found.waiters.size();
    const std::uint64_t age = view.locks->now_ns() - found.since_ns;
    Finding finding;
    finding.kind = kStarvation.name;
    finding.cwe = kStarvation.cwe;
    finding.severity = Severity::warning;
    finding.fingerprint = Fingerprint(kStarvation.name).add_lock(lock).hex();
    finding.waiters = found.waiters;
    finding.waiters.resize(std::min(count, kNamedAtMost));
    finding.age_ns = age;
    const std::string who = count == 1 ? name_thread(view.sample.raw.threads[first.thread]) : name_threads(count);
    finding.summary =
        fmt::format("{} wait{} for {} and {} passed over: it changed hands {} times in {}", who, count == 1 ? "s" : "",
                    name_lock(view.sample, first), count == 1 ? "is" : "are", found.handovers, name_duration(age));
    finding.hint = is_file_lock(first.kind)
                       ? "pause between unlocking and locking again, or queue for the lock with a blocking call"
                       : "hold the lock for shorter, pause before taking it again, or use a fair lock";
    finding.evidence.emplace_back("handovers", static_cast<std::int64_t>(found.handovers));
    finding.evidence.emplace_back("counted_by", std::string(is_file_lock(first.kind) ? "kernel" : "looks"));
    finding.evidence.emplace_back("victims", static_cast<std::int64_t>(count));
    return finding;
  }
};

}  // namespace

constinit const CatalogEntry kStarvation{
    .name = "starvation",
    .cwe = 667,
    .level = Level::contention,
    .description = "a waiter is passed over while the lock changes hands again and again",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<StarvationDetector>(); }};

}  // namespace lockscope
