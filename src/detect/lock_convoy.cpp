// SPDX-License-Identifier: Apache-2.0
// lock_convoy: a lock that is never without a queue. By Little's law the mean length of the queue is the time waited in
// a tick over the length of the tick; that must be two at least in each of the last ticks, and the lock must be handed
// on often: threads that sleep on a lock for hours are an idle pool. Linear in the locks of the last tick.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "detect/catalog.h"
#include "detect/fingerprint.h"
#include "detect/wording.h"
#include "lockscope/lock_table.h"

namespace lockscope {
namespace {

constexpr std::size_t kTicksAtLeast = 10;
constexpr std::uint64_t kSpanAtLeast = 5'000'000'000;
constexpr std::uint64_t kQueueAtLeast = 2;
constexpr std::uint64_t kEndedPerSecond = 50;
constexpr std::uint64_t kSecond = 1'000'000'000;

struct Convoy {
  std::size_t ticks = 0;
  std::uint64_t span_ns = 0;
  std::uint64_t ended = 0;
  std::uint64_t wait_ns = 0;
};

// Over the fewest of the latest ticks that are enough; absent: one of them had no queue, or too few.
std::optional<Convoy> convoy_in(std::span<const LockTable::Tick> ticks) {
  Convoy convoy;
  for (std::size_t i = ticks.size(); i-- > 0;) {
    const LockTable::Tick& tick = ticks[i];
    if (i + 1 < ticks.size() && tick.number + 1 != ticks[i + 1].number) return std::nullopt;
    if (tick.end_ns <= tick.begin_ns || tick.wait_ns / kQueueAtLeast < tick.end_ns - tick.begin_ns) return std::nullopt;
    ++convoy.ticks;
    convoy.span_ns += tick.end_ns - tick.begin_ns;
    convoy.ended += tick.ended;
    convoy.wait_ns += tick.wait_ns;
    if (convoy.ticks < kTicksAtLeast || convoy.span_ns < kSpanAtLeast) continue;
    if (convoy.ended / kEndedPerSecond < convoy.span_ns / kSecond) return std::nullopt;
    return convoy;
  }
  return std::nullopt;
}

std::string name_contended(const ContendedLock& id, const LockTable::Lock& lock) {
  const char* kind = words_for(*lock.kind);
  struct Visitor {
    const char* kind;
    const LockTable::Lock& lock;
    std::string operator()(const WordOfProcess& word) const {
      const std::string whose = lock.process ? lock.process->comm : "process";
      return fmt::format("the {} {:#x} of {} ({})", kind, word.address, whose, word.pid);
    }
    std::string operator()(const SharedPlace& place) const {
      return fmt::format("the process-shared {} in inode {}", kind, place.file.ino);
    }
    std::string operator()(const LockOfFile& file) const {
      return fmt::format("the {} on inode {}", kind, file.file.ino);
    }
    std::string operator()(std::uint64_t set) const { return fmt::format("the {} {}", kind, set); }
  };
  return std::visit(Visitor{kind, lock}, id);
}

class LockConvoyDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    if (view.locks == nullptr) return;
    for (const auto& [id, lock] : view.locks->active()) {
      if (!lock->kind || !can_be_held(*lock->kind)) continue;
      if (const auto convoy = convoy_in(lock->ticks)) findings.push_back(report(*id, *lock, *convoy));
    }
  }

 private:
  static Finding report(const ContendedLock& id, const LockTable::Lock& lock, const Convoy& convoy) {
    const double queue = static_cast<double>(convoy.wait_ns) / static_cast<double>(convoy.span_ns);
    const auto per_second =
        static_cast<std::uint64_t>(static_cast<double>(convoy.ended) * kSecond / static_cast<double>(convoy.span_ns));
    Finding finding;
    finding.kind = kLockConvoy.name;
    finding.cwe = kLockConvoy.cwe;
    finding.severity = Severity::notice;
    Fingerprint fingerprint(kLockConvoy.name);
    fingerprint.add_lock(id);
    if (lock.process) fingerprint.add(ThreadId{lock.process->pid, lock.process->start_ns});
    finding.fingerprint = fingerprint.hex();
    finding.lock = LockReference{.kind = *lock.kind, .lock = id};
    finding.age_ns = convoy.span_ns;
    finding.summary = fmt::format(
        "{} is never without a queue: {:.1f} threads wait for it on average, {} waits end a "
        "second, for at least {}",
        name_contended(id, lock), queue, per_second, name_duration(convoy.span_ns));
    finding.hint = "do less under the lock, split what it guards, or let fewer threads take it";
    finding.evidence.emplace_back("mean_queue", fmt::format("{:.1f}", queue));
    finding.evidence.emplace_back("waits_per_second", static_cast<std::int64_t>(per_second));
    finding.evidence.emplace_back("mean_wait_ns",
                                  static_cast<std::int64_t>(convoy.wait_ns / std::max<std::uint64_t>(convoy.ended, 1)));
    finding.evidence.emplace_back("ticks", static_cast<std::int64_t>(convoy.ticks));
    return finding;
  }
};

}  // namespace

constinit const CatalogEntry kLockConvoy{
    .name = "lock_convoy",
    .cwe = 667,
    .level = Level::contention,
    .description = "a lock that is never without a queue",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<LockConvoyDetector>(); }};

}  // namespace lockscope
