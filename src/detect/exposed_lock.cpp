// SPDX-License-Identifier: Apache-2.0
// exposed_lock: a lock now in use by a more trusted process (root, a system user, a service of the system) lies where
// a less trusted user can take it, replace it or make it first. Nobody need have done so: it is judged by the place
// alone, so it runs only where it is asked for (`lockscope audit`). One finding a lock, by the worst way to it. Says
// nothing of what has no name on the host, of locks of ordinary users, and of descriptors that a more trusted process
// only inherited from a less trusted one. Linear but for ordered maps of locks and processes.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "detect/allowed.h"
#include "detect/catalog.h"
#include "detect/exposure.h"
#include "detect/fingerprint.h"
#include "detect/wording.h"

namespace lockscope {
namespace {

// One lock and the trusted processes that rely on it.
struct LockInUse {
  LockKind kind = LockKind::futex;
  FileId file;
  UseOfLock use;
  bool needs_write = false;  // in memory
  bool sure = true;          // false: memory that may hold locks
  std::vector<Relier> reliers;
  std::set<pid_t> holders;  // of these
};

LockKind kind_of(FileLockKind kind) {
  switch (kind) {
    case FileLockKind::flock: return LockKind::flock;
    case FileLockKind::posix: return LockKind::posix;
    case FileLockKind::ofd: return LockKind::ofd;
  }
  std::abort();
}

const char* name_right(Way::Right right) {
  switch (right) {
    case Way::Right::take: return "take";
    case Way::Right::replace: return "replace";
    case Way::Right::pre_create: return "pre_create";
  }
  std::abort();
}

const char* verb_for(Way::Right right) {
  switch (right) {
    case Way::Right::take: return "take";
    case Way::Right::replace: return "replace the file of";
    case Way::Right::pre_create: return "be the first to make the file of";
  }
  std::abort();
}

class ExposedLockDetector final : public Detector {
 public:
  void on_sample(const SampleView& view, std::vector<Finding>& findings) override {
    std::map<ContendedLock, LockInUse> locks;
    std::map<pid_t, Relier> reliers;
    const auto relier = [&](pid_t pid) -> const Relier& {
      const auto known = reliers.find(pid);
      return known != reliers.end() ? known->second : reliers.emplace(pid, relier_of(view, pid)).first->second;
    };
    add_held(view, relier, locks);
    add_waited_for(view, relier, locks);
    add_mapped(view, relier, locks);
    for (auto& [id, lock] : locks) judge(view, id, lock, findings);
  }

 private:
  static void rely(LockInUse& lock, const Relier& relier) {
    if (relier.standing == Standing::none) return;
    if (std::ranges::count(lock.reliers, relier.pid, &Relier::pid) == 0) lock.reliers.push_back(relier);
  }

  static bool has_thread(const RawSample& raw, pid_t pid) {
    const auto first = std::ranges::lower_bound(raw.threads, pid, {}, &Thread::pid);
    return first != raw.threads.end() && first->pid == pid;
  }

  template <class RelierOf>
  static void add_held(const SampleView& view, RelierOf&& relier, std::map<ContendedLock, LockInUse>& locks) {
    for (const FileLock& held : view.sample.raw.file_locks) {
      // A descriptor that was handed down: who took the lock relies on it, where that is still to be seen; else who
      // has it, if all are equally trusted.
      std::vector<Relier> here;
      Standing lowest = Standing::root;
      Standing highest = Standing::none;
      for (const FileLock::Sharer& sharer : held.sharers) {
        here.push_back(relier(sharer.pid));
        lowest = std::min(lowest, here.back().standing);
        highest = std::max(highest, here.back().standing);
      }
      if (here.empty() || highest == Standing::none) continue;
      if (lowest != highest) {
        if (held.locker <= 0 || !has_thread(view.sample.raw, held.locker)) continue;
        std::erase_if(here, [&](const Relier& r) { return r.pid != held.locker; });
        if (here.empty()) continue;
      }
      LockInUse& lock = locks[LockOfFile{held.file, held.kind == FileLockKind::flock}];
      lock.kind = kind_of(held.kind);
      lock.file = held.file;
      for (const Relier& r : here) {
        if (r.standing == Standing::none) continue;
        lock.use.held = true;
        lock.use.exclusive = lock.use.exclusive || held.exclusive;
        lock.holders.insert(r.pid);
        rely(lock, r);
      }
    }
  }

  template <class RelierOf>
  static void add_waited_for(const SampleView& view, RelierOf&& relier, std::map<ContendedLock, LockInUse>& locks) {
    for (const Wait& wait : view.sample.waits) {
      const Relier& waiter = relier(view.sample.raw.threads[wait.thread].pid);
      if (waiter.standing == Standing::none) continue;
      LockInUse* lock = nullptr;
      if (const auto* range = std::get_if<FileRange>(&wait.lock.place)) {
        lock = &locks[LockOfFile{range->file, wait.kind == LockKind::flock}];
        lock->file = range->file;
      } else if (const auto* place = std::get_if<SharedPlace>(&wait.lock.place)) {
        lock = &locks[*place];
        lock->file = place->file;
        lock->needs_write = true;
        for (const Obstacle& obstacle : wait.obstacles) {
          for (const Releaser& releaser : obstacle.any_of) rely(*lock, relier(releaser.pid));
        }
      } else {
        continue;
      }
      if (!lock->use.held) lock->kind = wait.kind;
      lock->use.waited_for = true;
      lock->use.exclusive = lock->use.exclusive || wait.mode == Mode::exclusive;
      rely(*lock, waiter);
    }
  }

  template <class RelierOf>
  static void add_mapped(const SampleView& view, RelierOf&& relier, std::map<ContendedLock, LockInUse>& locks) {
    std::set<FileId> in_use;
    for (const auto& [id, lock] : locks) {
      if (std::holds_alternative<SharedPlace>(id)) in_use.insert(lock.file);
    }
    for (const auto& [file, pids] : view.facts.shared_memory) {
      const auto place = view.facts.places.find(file);
      if (place == view.facts.places.end() || in_use.contains(file)) continue;
      LockInUse& lock = locks[SharedPlace{file, 0}];
      const std::string& path = place->second.path;
      lock.sure = path.substr(path.rfind('/') + 1).starts_with("sem.");  // as sem_open(3) names them
      lock.kind = lock.sure ? LockKind::sem : LockKind::futex;
      lock.file = file;
      lock.needs_write = true;
      for (const pid_t pid : pids) rely(lock, relier(pid));
    }
  }

  static NeededRight needed_for(const LockInUse& lock) {
    if (lock.needs_write) return NeededRight::write;
    // A shared lock of one's own keeps out who wants the exclusive one.
    return lock.kind == LockKind::flock || lock.use.exclusive ? NeededRight::open : NeededRight::write;
  }

  static void judge(const SampleView& view, const ContendedLock& id, LockInUse& lock, std::vector<Finding>& findings) {
    const auto place = view.facts.places.find(lock.file);
    if (place == view.facts.places.end() || lock.reliers.empty()) return;
    // The most trusted has most to lose.
    std::ranges::stable_sort(lock.reliers, std::greater{}, &Relier::standing);
    for (const Relier& r : lock.reliers) {
      if (is_allowed(view.thresholds.allowed, r.exe, place->second.path, r.unit)) return;
    }
    const Relier& relier = lock.reliers.front();
    const auto exposures = exposures_of(view.facts, place->second, needed_for(lock), relier, lock.use);
    if (!exposures.empty()) findings.push_back(report(view, id, lock, place->second, exposures));
  }

  static std::string name_use(const LockInUse& lock) {
    if (lock.use.held && lock.use.waited_for) return lock.use.exclusive ? "held and waited for" : "held shared";
    if (lock.use.waited_for) return "waited for";
    if (lock.use.held) return lock.use.exclusive ? "held exclusive" : "held shared";
    return "mapped";
  }

  static Finding report(const SampleView& view, const ContendedLock& id, const LockInUse& lock, const PlaceFacts& place,
                        const std::vector<Exposure>& exposures) {
    const HostFacts& facts = view.facts;
    const Exposure& worst = exposures.front();
    const Relier& relier = lock.reliers.front();
    Finding finding;
    finding.kind = kExposedLock.name;
    finding.cwe = kExposedLock.cwe;
    finding.severity = worst.severity;
    // That the place is open is a fact; that memory holds locks, and whom a list names, is not known.
    const bool certain = lock.sure && worst.way.who != Way::Who::listed;
    finding.confidence = certain ? Confidence::confirmed : Confidence::likely;
    finding.lock = LockReference{lock.kind, id};
    finding.holders.assign(lock.holders.begin(), lock.holders.end());

    Fingerprint fingerprint(kExposedLock.name);
    fingerprint.add(lock.file.dev).add(lock.file.ino).add(relier.uid);
    if (const auto* file = std::get_if<LockOfFile>(&id)) fingerprint.add(file->flock ? 1 : 0);
    if (const auto* word = std::get_if<SharedPlace>(&id)) fingerprint.add(word->offset);
    finding.fingerprint = fingerprint.hex();

    const std::string user = name_user(facts, relier.uid);
    const std::string what = lock.sure ? std::string(words_for(lock.kind)) : "shared memory";
    const bool in_use = lock.use.held || lock.use.waited_for;
    finding.summary =
        fmt::format("{} can {} {} {}, {} {} of user {} {}: {}", worst.who, verb_for(worst.way.right),
                    lock.sure ? fmt::format("the {} on", what) : what, place.path,
                    lock.sure ? "which" : "which may hold locks and which", name_process(view.sample, relier.pid), user,
                    in_use ? (lock.use.held ? "holds" : "waits for") : "has mapped", worst.way.explanation);
    const std::string fix = change_that_closes(place, worst.way, relier.unit);
    finding.hint = fix;

    auto& evidence = finding.evidence;
    evidence.emplace_back("path", place.path);
    evidence.emplace_back("who", worst.who);
    evidence.emplace_back("right", std::string(name_right(worst.way.right)));
    if (worst.way.right == Way::Right::take) {
      evidence.emplace_back("descriptor_readonly", !worst.way.by_writing);
    }
    evidence.emplace_back("through", worst.way.through);
    evidence.emplace_back("mode", name_mode(place.file.mode));
    evidence.emplace_back("owner", name_user(facts, place.file.uid));
    evidence.emplace_back("group", name_group(facts, place.file.gid));
    if (place.file.acl) evidence.emplace_back("access_list", true);
    evidence.emplace_back("directories", name_directories(facts, place));
    evidence.emplace_back("use", name_use(lock));
    evidence.emplace_back("relied_on_by", user);
    std::vector<std::string> users;
    for (const Relier& r : lock.reliers) users.push_back(name_process(view.sample, r.pid));
    evidence.emplace_back("used_by", name_list(users, 6));
    if (relier.unit) evidence.emplace_back("unit", *relier.unit);
    if (!lock.sure) evidence.emplace_back("may_hold_locks", true);
    evidence.emplace_back("fix", fix);
    std::vector<std::string> others;
    for (auto other = exposures.begin() + 1; other != exposures.end(); ++other) {
      others.push_back(fmt::format("{} ({})", other->who, name_right(other->way.right)));
    }
    if (!others.empty()) evidence.emplace_back("also", name_list(others, 6));
    return finding;
  }
};

}  // namespace

constinit const CatalogEntry kExposedLock{
    .name = "exposed_lock",
    .cwe = 412,
    .level = Level::sample,
    .description = "a lock that a more trusted process relies on can be taken by a less trusted user",
    .make = []() -> std::unique_ptr<Detector> { return std::make_unique<ExposedLockDetector>(); },
    .on_request = true};

}  // namespace lockscope
