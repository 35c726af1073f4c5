// SPDX-License-Identifier: Apache-2.0
#include "app/stream.h"

#include <utility>

#include "app/contention_report.h"

namespace lockscope {
namespace {

std::chrono::system_clock::time_point time_of(const RawSample& look) {
  using namespace std::chrono;
  return system_clock::time_point(
      duration_cast<system_clock::duration>(nanoseconds(look.realtime_offset_ns + look.taken_ns)));
}

// The place of a word that a wait of one process was seen on.
ContendedLock lock_of(const FirstWait& first, const Wait& wait) {
  if (const auto* shared = std::get_if<SharedPlace>(&wait.lock.place)) return *shared;
  if (first.wait.shared) return *first.wait.shared;
  return WordOfProcess{first.thread.pid, first.wait.args[0]};
}

// What was known of a process or place that is gone when the report is made. Bounded: beyond, they stay unnamed.
constexpr std::size_t kRemembered = 16384;

// The facts of this tick over those of the ticks before: a holder that was named once is known while its victim is
// between two tries. Another process under an old number has another start, which detectors check.
class RememberedFacts final : public FactsProvider {
 public:
  RememberedFacts(FactsProvider& now, HostFacts& all) : now_(now), all_(all) {}

  [[nodiscard]] HostFacts gather(const Sample& sample, const ContentionWindow& window) override {
    gathered_ = now_.gather(sample, window);
    remember(all_.processes, gathered_.processes);
    remember(all_.cgroups, gathered_.cgroups);
    remember(all_.places, gathered_.places);
    remember(all_.users, gathered_.users);
    remember(all_.groups, gathered_.groups);
    all_.named_places = gathered_.named_places;
    all_.shared_memory = gathered_.shared_memory;
    all_.host_user_namespace = gathered_.host_user_namespace;
    all_.first_ordinary_uid = gathered_.first_ordinary_uid;
    return all_;
  }
  [[nodiscard]] const HostFacts& gathered() const { return gathered_; }

 private:
  template <class Map>
  static void remember(Map& all, const Map& now) {
    for (const auto& [key, value] : now) {
      if (all.size() >= kRemembered && !all.contains(key)) continue;
      all.insert_or_assign(key, value);
    }
  }

  FactsProvider& now_;
  HostFacts& all_;
  HostFacts gathered_;
};

}  // namespace

Stream::Stream(TickSource& ticks, const Thresholds& thresholds, const ReportFilter& filter, bool live)
    : ticks_(ticks), judge_(thresholds), filter_(filter), live_(live) {}

// Which primitive a contended word belongs to is told by the registers of the first thread that slept on it.
void Stream::learn_kinds(const ContentionWindow& window, const TrustedKinds& trusted) {
  for (const FirstWait& first : window.first_waits) {
    RawSample one;
    one.threads.push_back(first.thread);
    one.waits.push_back(first.wait);
    one.waits.front().thread = 0;
    const Sample classified = classify(std::move(one), ticks_.memory(), trusted);
    if (classified.waits.empty()) continue;
    locks_.learn_kind(lock_of(first, classified.waits.front()), classified.waits.front().kind);
  }
}

Result<Stream::Step> Stream::step() {
  auto tick = ticks_.next();
  if (!tick) return std::unexpected(tick.error());
  if (!*tick) return Step{.ended = true, .fired = {}};
  const ContentionWindow& window = (*tick)->window;
  Sample look = classify(std::move((*tick)->look), ticks_.memory(), (*tick)->trusted);
  learn_kinds(window, (*tick)->trusted);
  locks_.absorb(window, look);

  if (ticks_seen_++ == 0) began_ns_ = window.begin_ns;
  ended_ns_ = window.end_ns;
  events_ += window.events.size();
  for (const auto& [cause, count] : window.lost) lost_[cause] += count;
  for (const auto& [program, cost] : window.hooks) hooks_[program] = cost;
  for (const auto& [cause, count] : look.raw.coverage.lost_events) lost_[cause] += count;

  // Before the first look nothing is known to stand: whatever is found needs a second one.
  RememberedFacts facts(ticks_.facts(), facts_);
  Judgement judgement = judge_.judge(last_ ? last_->now : Sample{}, std::move(look), window, &facts, &locks_);
  if (auto done = ticks_.judged(facts.gathered()); !done) return std::unexpected(done.error());

  Attribution attribution;
  Step step;
  step.fired =
      log_.update(describe_findings(judgement, filter_, live_ ? &attribution : nullptr), time_of(judgement.now.raw));
  last_ = std::move(judgement);
  return step;
}

Report Stream::report() const {
  if (!last_) return {};
  Attribution attribution;
  Report report = describe(*last_, filter_, live_ ? &attribution : nullptr);
  report.findings = log_.all();
  report.level = "contention";
  report.coverage.lost_events = lost_;
  if (log_.evicted() > 0) report.coverage.lost_events["findings beyond the table"] += log_.evicted();
  const LockTable::Evictions& evicted = locks_.evictions();
  for (const auto& [table, count] : {std::pair{"locks beyond the table", evicted.locks},
                                     {"users of locks beyond the table", evicted.uses},
                                     {"failing tries beyond the table", evicted.victims}}) {
    if (count > 0) report.coverage.lost_events[table] += count;
  }
  report.duration = std::chrono::nanoseconds(ended_ns_ - began_ns_);
  report.taken =
      time_of(last_->now.raw) - std::chrono::duration_cast<std::chrono::system_clock::duration>(report.duration);
  report.contention = describe_contention(locks_, facts_, filter_.all);
  report.contention->window = report.duration;
  report.contention->hooks = hooks_;
  return report;
}

}  // namespace lockscope
