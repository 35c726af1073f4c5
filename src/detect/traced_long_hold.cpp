// SPDX-License-Identifier: Apache-2.0
// long_hold, exact: a lock was held for as long as the threshold or longer, from the call that took it to the one that
// let go. Only if the operator set the threshold, or if somebody waited for it: holding long is no fault in itself. One
// finding, the longest, for a class of locks and the place that took it. Linear in the holds, but for a map.
#include <fmt/format.h>

#include <map>

#include "detect/catalog.h"
#include "detect/trace_wording.h"
#include "detect/wording.h"

namespace lockscope {
namespace {

class TracedLongHoldDetector final : public Detector {
 public:
  void on_trace(const TraceView& view, std::vector<Finding>& findings) override {
    using Key = std::pair<std::string, std::string>;  // class, place
    struct Holds {
      std::size_t longest = 0;
      std::uint64_t count = 0;
      bool waiters = false;
    };
    std::map<Key, std::size_t> numbers;
    std::vector<std::pair<Key, Holds>> groups;  // in the order of their first
    const auto& holds = view.trace.long_holds;
    for (std::size_t h = 0; h < holds.size(); ++h) {
      if (!counts(view, holds[h])) continue;
      const Key key{view.names.lock_class(holds[h].lock).name,
                    key_of(view.names.code(holds[h].lock.image, holds[h].taken_site))};
      const auto [number, added] = numbers.try_emplace(key, groups.size());
      if (added) groups.push_back({key, {.longest = h}});
      Holds& group = groups[number->second].second;
      ++group.count;
      group.waiters = group.waiters || holds[h].waiters;
      if (holds[h].held_ns > holds[group.longest].held_ns) group.longest = h;
    }
    for (const auto& [key, group] : groups) {
      findings.push_back(report(view, group.longest, group.count, group.waiters));
      findings.back().fingerprint = Fingerprint(kTracedLongHold.name).add(key.first).add(key.second).hex();
    }
  }

 private:
  static bool counts(const TraceView& view, const LongHold& hold) {
    if (hold.thread >= view.trace.threads.size()) return false;
    if (hold.held_ns < static_cast<std::uint64_t>(view.thresholds.long_hold.count())) return false;
    return view.thresholds.long_hold_set || hold.waiters;
  }

  static Finding report(const TraceView& view, std::size_t index, std::uint64_t count, bool waiters) {
    const LongHold& hold = view.trace.long_holds[index];
    Finding finding;
    finding.kind = kTracedLongHold.name;
    finding.cwe = kTracedLongHold.cwe;
    finding.severity = waiters ? Severity::warning : Severity::notice;
    // A release that was lost makes a hold longer than it was.
    finding.confidence = view.trace.lost.empty() ? Confidence::confirmed : Confidence::likely;
    finding.traced_hold = index;
    finding.age_ns = hold.held_ns;
    const std::string others = count == 1 ? "" : fmt::format(", the longest of {} times", count);
    finding.summary =
        fmt::format("{} held {} for {} in thread {}{}{}", name_place(view.names.code(hold.lock.image, hold.taken_site)),
                    name_class(view.names.lock_class(hold.lock)), name_duration(hold.held_ns),
                    name_traced(view.trace.threads[hold.thread]), others, waiters ? ", while others waited" : "");
    finding.hint = "do less under the lock: what is slow (I/O, waiting, allocation) before or after it";
    finding.evidence.emplace_back("held_ns", static_cast<std::int64_t>(hold.held_ns));
    finding.evidence.emplace_back("threshold_ns", static_cast<std::int64_t>(view.thresholds.long_hold.count()));
    finding.evidence.emplace_back("count", static_cast<std::int64_t>(count));
    finding.evidence.emplace_back("waiters", waiters);
    return finding;
  }
};

}  // namespace

constinit const CatalogEntry kTracedLongHold{
    .name = "long_hold",
    .cwe = 667,
    .level = Level::full,
    .description = "a lock was held beyond the threshold: the exact time, from taking it to letting go",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<TracedLongHoldDetector>(); }};

}  // namespace lockscope
