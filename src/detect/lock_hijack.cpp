// SPDX-License-Identifier: Apache-2.0
// lock_hijack: somebody outside the victim's domain of trust, and not more trusted, keeps it from a lock; the victim is
// blocked, or its tries fail one after the other. Accused is only who is known to hold the lock by the kernel, by its
// memory or by traced calls, together with everyone who could let go of it; a sharer or an earlier holder from the
// victim's own domain, or from a more trusted one, speaks for all. One finding a lock and pair of domains.
// Linear in waits, file locks and failing victims, but for ordered maps; the uses of a lock are read once for each
// domain of its victims.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "detect/lock_hijack.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kTriesAtLeast = 3;
constexpr std::uint64_t kTakenAgain = 2;
constexpr std::uint64_t kOutstandingAtMost = 4;
constexpr std::size_t kChainAtMost = 64;
constexpr std::uint64_t kLatelySeen = 1'000'000'000;

using Pids = std::vector<pid_t>;

void sort_unique(Pids& pids) {
  std::ranges::sort(pids);
  const auto [first, last] = std::ranges::unique(pids);
  pids.erase(first, last);
}

// A mutex or rwlock that processes can share.
bool is_shared_lock(const Wait& wait) {
  return wait.process_shared && can_be_held(wait.kind) && wait.kind != LockKind::stdio &&
         wait.kind != LockKind::loader && wait.kind != LockKind::libc_internal;
}

bool is_file(LockKind kind) { return kind == LockKind::flock || kind == LockKind::posix || kind == LockKind::ofd; }

// Processes that hold one lock together: each could let go of it.
struct Hold {
  Pids sharers;
  Evidence evidence = Evidence::unknown;
};

class HijackSearch {
 public:
  explicit HijackSearch(const SampleView& view)
      : view_(view), raw_(view.sample.raw), locks_(view.locks),
        now_(view.locks != nullptr ? view.locks->now_ns() : view.sample.raw.taken_ns),
        threshold_(static_cast<std::uint64_t>(std::max<std::int64_t>(view.thresholds.starved.count(), 0))) {
    for (const FileLock& lock : raw_.file_locks) {
      file_locks_[LockOfFile{lock.file, lock.kind == FileLockKind::flock}].push_back(&lock);
    }
  }

  void run(std::vector<Finding>& findings) {
    for (std::size_t w = 0; w < view_.sample.waits.size(); ++w) judge_wait(w);
    if (locks_ != nullptr) {
      for (const LockTable::FailingVictim& victim : locks_->failing()) judge_tries(victim);
    }
    for (const auto& [key, found] : cases_) findings.push_back(report_hijack(view_, found));
  }

 private:
  struct Accused {
    Pids holders;
    Domain holder;
    TrustGap gap;
    Evidence evidence = Evidence::unknown;
    bool taker_known = true;
  };

  [[nodiscard]] const Thread* leader_of(pid_t pid) const {
    const auto found = std::ranges::lower_bound(raw_.threads, pid, {}, &Thread::pid);
    return found == raw_.threads.end() || found->pid != pid ? nullptr : &*found;
  }

  const Domain& domain_of_process(pid_t pid) {
    const auto [place, is_new] = domains_.try_emplace(pid);
    if (is_new) {
      if (const Thread* leader = leader_of(pid)) {
        place->second = domain_of(view_.facts, pid, leader->id.start_ns, leader->uid);
      }
    }
    return place->second;
  }

  [[nodiscard]] TrustGap gap(const Domain& holder, const Domain& victim) const {
    return compare_trust(view_.facts, holder, victim);
  }

  // Holders that may be accused of starving this victim: all of every hold are outsiders. Those whom the operator
  // allows to hold it are left out; nobody else left, nobody is accused.
  std::optional<Accused> accuse(const ContendedLock& lock, const std::vector<Hold>& holds, const Domain& victim) {
    Accused accused;
    for (const Hold& hold : holds) {
      if (hold.sharers.empty() || hold.evidence == Evidence::unknown) return std::nullopt;
      const bool allowed = std::ranges::any_of(hold.sharers, [&](pid_t pid) { return is_allowed(view_, lock, pid); });
      for (const pid_t pid : hold.sharers) {
        const Domain& domain = domain_of_process(pid);
        const TrustGap between = gap(domain, victim);
        if (!between.outsider()) return std::nullopt;
        if (allowed) continue;
        if (accused.holders.empty() || between.distance > accused.gap.distance) {
          accused.gap = between;
          accused.holder = domain;
        }
        accused.holders.push_back(pid);
        accused.evidence = hold.evidence;
      }
    }
    sort_unique(accused.holders);
    if (accused.holders.empty() || stands_behind_insider(accused.holders, victim)) return std::nullopt;
    const auto taker = taker_of(lock, accused.holders, victim);
    if (taker == Taker::insider) return std::nullopt;
    accused.taker_known = taker == Taker::outsider;
    return accused;
  }

  // A descriptor outlives who locked it: passed on, or left open across fork and exec. Then the lock was not taken by
  // those who hold it now.
  enum class Taker { outsider, insider, unknown };
  Taker taker_of(const ContendedLock& lock, const Pids& holders, const Domain& victim) {
    const auto* file = std::get_if<LockOfFile>(&lock);
    if (file == nullptr) return Taker::outsider;
    const auto locks = file_locks_.find(*file);
    if (locks == file_locks_.end()) return Taker::outsider;
    Taker result = Taker::outsider;
    for (const FileLock* held : locks->second) {
      if (held->locker <= 0 || std::ranges::binary_search(holders, held->locker)) continue;
      const auto holds = [&](const FileLock::Sharer& sharer) {
        return std::ranges::binary_search(holders, sharer.pid);
      };
      if (std::ranges::none_of(held->sharers, holds)) continue;
      const LockTable::Use* use = locks_ == nullptr ? nullptr : locks_->find_use(lock, held->locker);
      if (use == nullptr && leader_of(held->locker) == nullptr) {
        result = Taker::unknown;
        continue;
      }
      const Domain domain = use != nullptr ? domain_of(view_.facts, use->actor) : domain_of_process(held->locker);
      if (!gap(domain, victim).outsider()) return Taker::insider;
    }
    return result;
  }

  // Whether the holders cannot go on themselves before somebody of the victim's side does: then he is to blame.
  bool stands_behind_insider(const Pids& holders, const Domain& victim) {
    Pids open = holders;
    std::set<pid_t> seen(holders.begin(), holders.end());
    while (!open.empty() && seen.size() < kChainAtMost) {
      const pid_t pid = open.back();
      open.pop_back();
      for (const pid_t next : waited_for_by(pid)) {
        if (!gap(domain_of_process(next), victim).outsider()) return true;
        if (seen.insert(next).second) open.push_back(next);
      }
    }
    return false;
  }

  // Those for whom every thread of this process waits; a thread that waits for nobody known can let go at any time.
  Pids waited_for_by(pid_t pid) {
    Pids result;
    const auto threads = std::ranges::equal_range(raw_.threads, pid, {}, &Thread::pid);
    for (const Thread& thread : threads) {
      const auto index = static_cast<std::size_t>(&thread - raw_.threads.data());
      const auto wait = std::ranges::lower_bound(view_.sample.waits, index, {}, &Wait::thread);
      if (wait == view_.sample.waits.end() || wait->thread != index) return {};
      const bool known = std::ranges::any_of(
          wait->obstacles, [](const Obstacle& o) { return o.known && !o.candidates && !o.any_of.empty(); });
      if (!known || !can_be_held(wait->kind)) return {};
      for (const Obstacle& obstacle : wait->obstacles) {
        if (obstacle.candidates) continue;
        for (const Releaser& releaser : obstacle.any_of) {
          if (result.size() < kChainAtMost) result.push_back(releaser.pid);
        }
      }
    }
    return result;
  }

  // The last time that somebody of the victim's side is known to have held the lock. What was before was not the
  // outsider's doing.
  std::uint64_t insiders_until(const ContendedLock& lock, const Domain& victim) {
    if (locks_ == nullptr) return 0;
    const auto [place, is_new] = insiders_until_.try_emplace({lock, victim}, 0);
    if (!is_new) return place->second;
    std::uint64_t until = 0;
    for (const LockTable::Use* use : locks_->uses_of(lock)) {
      const std::uint64_t last = std::max(use->last_granted_ns, use->last_released_ns);
      if (use->granted == 0 || last <= until) continue;
      if (!gap(domain_of(view_.facts, use->actor), victim).outsider()) until = last;
    }
    if (const LockTable::Lock* record = locks_->find(lock)) {
      for (const LockTable::HolderSeen& seen : record->holders) {
        const Domain domain = domain_of(view_.facts, seen.leader.tid, seen.leader.start_ns, seen.uid);
        if (seen.last_ns > until && !gap(domain, victim).outsider()) until = seen.last_ns;
      }
    }
    place->second = until;
    return until;
  }

  // Whether it is certain that these holders held the lock for that long: it was watched, or they slept all the time.
  [[nodiscard]] bool held_throughout(const Pids& holders, std::uint64_t long_ns) const {
    if (locks_ != nullptr && now_ - std::min(now_, locks_->began_ns()) >= long_ns) return true;
    return std::ranges::all_of(holders, [&](pid_t pid) {
      return std::ranges::all_of(std::ranges::equal_range(raw_.threads, pid, {}, &Thread::pid), [&](const Thread& t) {
        return t.state != ThreadState::running && t.blocked_ns && *t.blocked_ns >= long_ns;
      });
    });
  }

  void judge_wait(std::size_t w) {
    const Wait& wait = view_.sample.waits[w];
    const Thread& thread = raw_.threads[wait.thread];
    const bool semaphore = wait.kind == LockKind::sem && wait.process_shared;
    if (!is_file(wait.kind) && !is_shared_lock(wait) && !semaphore) return;
    if (thread.state != ThreadState::blocked || wait.owner_gone != OwnerGone::no) return;
    const auto lock = contended_lock(view_.sample, wait);
    if (!lock) return;
    std::uint64_t since = now_ - std::min(now_, wait.blocked_ns.value_or(0));
    const LockTable::Standing* standing = locks_ == nullptr ? nullptr : locks_->standing(thread.id);
    if (standing != nullptr && standing->lock != *lock) standing = nullptr;
    // Woken and passed over again it does not stand, but it goes on.
    if (!view_.graph.standing(w) && (standing == nullptr || standing->looks < 2)) return;
    if (standing != nullptr) since = std::min(since, standing->since_ns);
    if (now_ - since < threshold_) return;

    const Domain victim = domain_of_process(thread.pid);
    bool as_lock = true;
    std::vector<Hold> holds;
    if (semaphore) {
      holds = traced_holds(*lock, as_lock);
      since = std::max(since, latest_grant(*lock, holds));
    } else {
      for (const Obstacle& obstacle : wait.obstacles) {
        if (!obstacle.known || obstacle.candidates) return;
        Hold hold{.sharers = {}, .evidence = obstacle.evidence};
        for (const Releaser& releaser : obstacle.any_of) hold.sharers.push_back(releaser.pid);
        holds.push_back(std::move(hold));
      }
    }
    if (holds.empty()) return;
    since = std::max(since, insiders_until(*lock, victim));
    if (since > now_ || now_ - since < threshold_) return;
    const auto accused = accuse(*lock, holds, victim);
    if (!accused) return;

    HijackCase& found = take_up(*lock, wait.kind, *accused, victim, thread.pid);
    found.waits.push_back(w);
    found.starved_ns = std::max(found.starved_ns, now_ - since);
    found.confirmed = found.confirmed || (as_lock && accused->taker_known && victim.known && accused->holder.known &&
                                          held_throughout(accused->holders, threshold_));
  }

  void judge_tries(const LockTable::FailingVictim& failing) {
    const ContendedLock& lock = *failing.lock;
    const LockTable::Series& series = *failing.series;
    const LockTable::Lock* record = locks_->find(lock);
    if (record == nullptr || series.tries < kTriesAtLeast || series.last_ns - series.first_ns < threshold_) return;
    const Domain victim = domain_of(view_.facts, series.actor);
    std::uint64_t since = std::max(series.first_ns, insiders_until(lock, victim));
    if (since > series.last_ns || series.last_ns - since < threshold_) return;

    bool as_lock = true;
    bool held_now = true;
    std::vector<Hold> holds;
    if (const auto* file = std::get_if<LockOfFile>(&lock)) {
      if (!raw_.file_locks_complete) return;
      holds = holds_on(*file);
      if (holds.empty()) {
        holds = takers_again(lock, since);
        held_now = false;
      }
    } else if (std::holds_alternative<SharedPlace>(lock)) {
      if (record->kind == LockKind::sem) {
        holds = traced_holds(lock, as_lock);
      } else if (record->kind && can_be_held(*record->kind)) {
        holds = owners_seen(*record, since);  // starved since they were first seen to hold it
      }
      if (std::max(latest_grant(lock, holds), since) + threshold_ > series.last_ns) return;
    }
    if (holds.empty()) return;
    const auto accused = accuse(lock, holds, victim);
    if (!accused) return;

    const LockKind kind = record->kind.value_or(LockKind::mutex);
    HijackCase& found = take_up(lock, kind, *accused, victim, series.actor.pid);
    found.failing.push_back(failing);
    found.starved_ns = std::max(found.starved_ns, series.last_ns - since);
    found.held_now = found.held_now && held_now;
    found.confirmed =
        found.confirmed || (as_lock && held_now && accused->taker_known && victim.known && accused->holder.known);
  }

  // Every lock that is held on the file now. Empty too if somebody out of sight shares one: then nobody is accused.
  std::vector<Hold> holds_on(const LockOfFile& file) const {
    std::vector<Hold> holds;
    const auto locks = file_locks_.find(file);
    if (locks == file_locks_.end()) return holds;
    for (const FileLock* held : locks->second) {
      Hold hold{.sharers = {}, .evidence = held->other_references ? Evidence::unknown : Evidence::kernel};
      for (const FileLock::Sharer& sharer : held->sharers) hold.sharers.push_back(sharer.pid);
      sort_unique(hold.sharers);
      holds.push_back(std::move(hold));
    }
    return holds;
  }

  // Processes in sight that took it more than once, and lately.
  std::vector<Hold> takers_again(const ContendedLock& lock, std::uint64_t since) const {
    std::vector<Hold> holds;
    for (const LockTable::Use* use : locks_->uses_of(lock)) {
      const bool again = use->granted >= kTakenAgain && use->last_granted_ns > since + threshold_ / 2;
      if (again && is_alive(use->actor)) holds.push_back({{use->actor.pid}, Evidence::kernel});
    }
    return holds;
  }

  // Of a semaphore, by traced calls: who took it oftener than he posted it. `as_lock`: somebody has been seen to do
  // both, as one does with a lock; it may also be a signal, which one process takes and another posts.
  std::vector<Hold> traced_holds(const ContendedLock& lock, bool& as_lock) const {
    std::vector<Hold> holds;
    const LockTable::Lock* record = locks_ == nullptr ? nullptr : locks_->find(lock);
    if (record == nullptr || record->posted_more) return holds;
    const std::vector<const LockTable::Use*> uses = locks_->uses_of(lock);
    as_lock =
        std::ranges::any_of(uses, [](const LockTable::Use* use) { return use->granted > 0 && use->released > 0; });
    for (const LockTable::Use* use : uses) {
      if (!use->semaphore || use->granted <= use->released || !is_alive(use->actor)) continue;
      if (use->granted - use->released > (as_lock ? kOutstandingAtMost : 1)) return {};
      holds.push_back({{use->actor.pid}, Evidence::traced});
    }
    return holds;
  }

  // Since when all of these hold a semaphore.
  std::uint64_t latest_grant(const ContendedLock& lock, const std::vector<Hold>& holds) const {
    std::uint64_t latest = 0;
    for (const Hold& hold : holds) {
      if (hold.evidence != Evidence::traced) continue;
      const LockTable::Use* use = locks_->find_use(lock, hold.sharers.front());
      if (use != nullptr) latest = std::max(latest, use->last_granted_ns);
    }
    return latest;
  }

  // The owner that the looks show, look after look, up to now. `since`: put off to when the last of them was first seen.
  std::vector<Hold> owners_seen(const LockTable::Lock& record, std::uint64_t& since) const {
    std::vector<Hold> holds;
    for (const LockTable::HolderSeen& seen : record.holders) {
      const Thread* leader = leader_of(seen.leader.tid);
      if (seen.last_ns + std::max(threshold_ / 2, kLatelySeen) < now_ || leader == nullptr ||
          leader->id.start_ns != seen.leader.start_ns)
        continue;
      holds.push_back({{seen.leader.tid}, Evidence::memory});
      since = std::max(since, seen.first_ns);
    }
    return holds;
  }

  [[nodiscard]] bool is_alive(const Actor& actor) const {
    const Thread* leader = leader_of(actor.pid);
    return leader != nullptr && leader->id.start_ns == actor.start_ns;
  }

  // What tells two domains apart, and nothing that a later look may add.
  [[nodiscard]] Domain key_of(Domain domain) const {
    domain.known = false;
    if (domain.user_namespace && *domain.user_namespace == view_.facts.host_user_namespace) {
      domain.user_namespace.reset();
    }
    return domain;
  }

  HijackCase& take_up(const ContendedLock& lock, LockKind kind, const Accused& accused, const Domain& victim,
                      pid_t victim_pid) {
    const auto [place, is_new] = cases_.try_emplace({lock, key_of(accused.holder), key_of(victim)});
    HijackCase& found = place->second;
    if (is_new) {
      found.lock = lock;
      found.kind = kind;
      found.holder = accused.holder;
      found.victim = victim;
      found.victim_pid = victim_pid;
      found.gap = accused.gap;
      found.evidence = accused.evidence;
    }
    found.holders.insert(found.holders.end(), accused.holders.begin(), accused.holders.end());
    sort_unique(found.holders);
    return found;
  }

  const SampleView& view_;
  const RawSample& raw_;
  const LockTable* locks_;
  std::uint64_t now_;
  std::uint64_t threshold_;
  std::map<LockOfFile, std::vector<const FileLock*>> file_locks_;
  std::map<pid_t, Domain> domains_;
  std::map<std::pair<ContendedLock, Domain>, std::uint64_t> insiders_until_;
  std::map<std::tuple<ContendedLock, Domain, Domain>, HijackCase> cases_;
};

class LockHijackDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override { HijackSearch(view).run(findings); }
};

}  // namespace

constinit const CatalogEntry kLockHijack{
    .name = "lock_hijack",
    .cwe = 412,
    .level = Level::contention,
    .description = "somebody outside the victim's domain of trust keeps it from a lock",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<LockHijackDetector>(); }};

}  // namespace lockscope
