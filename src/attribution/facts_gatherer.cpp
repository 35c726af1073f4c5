// SPDX-License-Identifier: Apache-2.0
#include "attribution/facts_gatherer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "attribution/proc_text.h"
#include "attribution/process_facts.h"

namespace lockscope {
namespace {

constexpr std::size_t kProcesses = 4096;  // described in one tick
constexpr std::size_t kPlaces = 2048;
constexpr std::size_t kNewPlaces = 512;    // walked to in one tick
constexpr std::size_t kRenewed = 32;       // walked to again in one tick, for being old
constexpr std::size_t kSearches = 32;      // processes searched for a file in one tick
constexpr std::size_t kDescriptors = 256;  // searched of one
constexpr std::size_t kAccesses = 4;       // ways tried to one file
constexpr std::size_t kNames = 256;        // of failed creates
constexpr std::size_t kMappers = 64;       // of one file of /dev/shm
constexpr std::size_t kMapsLimit = 16 << 20;
constexpr std::uint64_t kProcessTicks = 32;       // until facts are read again
constexpr std::uint64_t kPlaceTicks = 16;         // up to twice as many
constexpr std::uint64_t kKeptTicks = 64;          // unused, until they are forgotten
constexpr std::uint64_t kSameStart = 20'000'000;  // /proc tells starts in ticks of 10 ms

bool same_start_ns(std::uint64_t a, std::uint64_t b) { return (a > b ? a - b : b - a) <= kSameStart; }

}  // namespace

struct FactsGatherer::Tick {
  const Sample& sample;
  const ContentionWindow& window;
  HostFacts facts;
  std::map<FileId, std::vector<Access>> files;
  std::size_t new_places = 0;
  std::size_t searches = 0;
  std::size_t renewed = 0;

  // The first thread of a process, its leader where that lives. Null: not in sight.
  [[nodiscard]] const Thread* process(pid_t pid) const {
    const auto& threads = sample.raw.threads;
    const auto first = std::ranges::lower_bound(threads, pid, {}, &Thread::pid);
    return first == threads.end() || first->pid != pid ? nullptr : &*first;
  }
  void want(const FileId& file, const Access& access) {
    const auto known = files.find(file);
    if (known == files.end()) {
      if (files.size() < kPlaces) files[file].push_back(access);
    } else if (known->second.size() < kAccesses && std::ranges::count(known->second, access) == 0) {
      known->second.push_back(access);
    }
  }
};

FactsGatherer::FactsGatherer(Attribution& attribution)
    : proc_(attribution.proc()), accounts_(attribution.accounts()), places_(proc_),
      host_user_namespace_(namespace_of(ProcDirectory(proc_ + "/self"), "ns/user")) {}

HostFacts FactsGatherer::gather(const Sample& sample, const ContentionWindow& window) {
  ++tick_;
  places_.begin_tick();
  Tick tick{.sample = sample, .window = window, .facts = {}, .files = {}};
  tick.facts.host_user_namespace = host_user_namespace_;
  tick.facts.first_ordinary_uid = accounts_.first_ordinary_uid();
  add_sample(tick);
  add_window(tick);
  if (shared_memory_wanted_) add_shared_memory(tick);
  add_places(tick);
  add_named_places(tick);
  add_accounts(tick);
  forget_unused();
  return std::move(tick.facts);
}

void FactsGatherer::add_sample(Tick& tick) {
  for (const Wait& wait : tick.sample.waits) {
    const pid_t pid = tick.sample.raw.threads[wait.thread].pid;
    if (const auto* place = std::get_if<SharedPlace>(&wait.lock.place)) {
      tick.want(place->file, {pid, -1});
    } else if (const auto* file = std::get_if<FileRange>(&wait.lock.place)) {
      tick.want(file->file, {pid, wait.fd});
    } else {
      continue;
    }
    add_process(tick, pid);
    for (const Obstacle& obstacle : wait.obstacles) {
      for (const Releaser& releaser : obstacle.any_of) add_process(tick, releaser.pid);
    }
  }
  for (const FileLock& lock : tick.sample.raw.file_locks) {
    if (lock.locker > 0) add_process(tick, lock.locker);
    for (const FileLock::Sharer& sharer : lock.sharers) {
      add_process(tick, sharer.pid);
      tick.want(lock.file, {sharer.pid, sharer.fd});
    }
  }
}

void FactsGatherer::add_window(Tick& tick) {
  const ContentionWindow& window = tick.window;
  for (const FileLockUse& use : window.file_locks) {
    if (use.failed == 0 && use.contended == 0 && use.deadlocks == 0) continue;
    add_actor(tick, use.actor);
    tick.want(use.file, {use.actor.pid, -1});  // its descriptor is not known; others may have one
  }
  for (const FileWrites& writes : window.writes) {
    add_actor(tick, writes.actor);
    tick.want(writes.file, {writes.actor.pid, -1});
    if (writes.locker > 0) add_process(tick, writes.locker);
  }
  for (const SharedLockUse& use : window.shared_locks) {
    add_actor(tick, use.actor);
    if (use.owner > 0) add_process(tick, use.owner);
    tick.want(use.place.file, {use.actor.pid, -1});
  }
  for (const WordWaits& waits : window.words) {
    const auto* place = std::get_if<SharedPlace>(&waits.lock);
    if (place == nullptr) continue;
    add_actor(tick, waits.actor);
    tick.want(place->file, {waits.actor.pid, -1});
  }
  for (const FailedCreate& create : window.failed_creates) add_actor(tick, create.actor);
}

void FactsGatherer::add_actor(Tick& tick, const Actor& actor) {
  if (actor.pid <= 0) return;
  if (const CgroupFacts* cgroup = cgroups_.find(actor.cgroup)) tick.facts.cgroups[actor.cgroup] = *cgroup;
  const Thread* thread = tick.process(actor.pid);
  if (thread != nullptr && same_start_ns(thread->id.start_ns, actor.start_ns)) {
    add_process(tick, actor.pid);
    return;
  }
  // It has ended, or began after the look: what the kernel wrote down is all there is.
  if (thread != nullptr || tick.facts.processes.size() >= kProcesses) return;
  ProcessFacts& facts = tick.facts.processes[actor.pid];
  facts.start_ns = actor.start_ns;
  facts.uid = actor.uid;
  if (const auto known = known_processes_.find(actor.pid);
      known != known_processes_.end() && same_start_ns(known->second.facts.start_ns, actor.start_ns)) {
    facts = known->second.facts;
    facts.uid = actor.uid;
    known->second.used_at = tick_;
  } else if (const CgroupFacts* cgroup = cgroups_.find(actor.cgroup)) {
    facts.cgroup = cgroup->path;
    facts.unit = cgroup->unit;
    facts.container = cgroup->container;
  }
}

void FactsGatherer::add_process(Tick& tick, pid_t pid) {
  const Thread* thread = tick.process(pid);
  if (thread == nullptr || tick.facts.processes.contains(pid) || tick.facts.processes.size() >= kProcesses) return;
  KnownProcess& known = known_processes_[pid];
  const bool same = known.read_at != 0 && known.facts.start_ns == thread->id.start_ns && known.comm == thread->comm &&
                    known.facts.uid == thread->uid && tick_ - known.read_at < kProcessTicks;
  if (!same) {
    const auto folder = open_thread_folder(proc_, *thread);
    known.facts = folder ? read_process_facts(*folder) : ProcessFacts{};
    known.facts.start_ns = thread->id.start_ns;
    known.facts.uid = thread->uid;
    known.comm = thread->comm;
    known.read_at = tick_;
  }
  known.used_at = tick_;
  tick.facts.processes[pid] = known.facts;
}

void FactsGatherer::add_shared_memory(Tick& tick) {
  const auto& threads = tick.sample.raw.threads;
  for (auto thread = threads.begin(); thread != threads.end();
       thread = std::ranges::upper_bound(thread, threads.end(), thread->pid, {}, &Thread::pid)) {
    if (!thread->uid || *thread->uid >= tick.facts.first_ordinary_uid) continue;
    const auto folder = open_thread_folder(proc_, *thread);
    if (!folder) continue;
    std::set<FileId> mapped;
    folder->lines("maps", kMapsLimit, [&](std::string_view line) {
      const auto mapping = parse_mapping(line);
      if (mapping && mapping->shared && mapping->path.starts_with("/dev/shm/")) mapped.insert(mapping->file);
    });
    for (const FileId& file : mapped) {
      if (!tick.facts.shared_memory.contains(file) && tick.facts.shared_memory.size() >= kPlaces) break;
      auto& pids = tick.facts.shared_memory[file];
      if (pids.size() >= kMappers) continue;
      pids.push_back(thread->pid);
      add_process(tick, thread->pid);
      tick.want(file, {thread->pid, -1});
    }
  }
}

std::optional<PlaceFacts> FactsGatherer::find_place(Tick& tick, const Access& access, const FileId& file) {
  const Thread* thread = tick.process(access.pid);
  const auto folder = thread == nullptr ? std::nullopt : open_thread_folder(proc_, *thread);
  if (!folder) return std::nullopt;
  if (access.fd >= 0) return places_.of_descriptor(*folder, access.fd, file);
  if (tick.searches++ >= kSearches) return std::nullopt;
  std::optional<std::string> path;
  folder->lines("maps", kMapsLimit, [&](std::string_view line) {
    if (path) return;
    const auto mapping = parse_mapping(line);
    if (mapping && mapping->shared && mapping->file == file) path = path_to_show(*mapping);
  });
  if (path) return places_.of_mapping(*folder, std::move(*path), file);
  for (const int fd : folder->numbers("fd", kDescriptors)) {
    const auto fdinfo = folder->text(fmt::format("fdinfo/{}", fd).c_str());
    if (!fdinfo || inode_of(*fdinfo) != file.ino) continue;
    if (auto place = places_.of_descriptor(*folder, fd, file)) return place;
  }
  return std::nullopt;
}

const FactsGatherer::KnownPlace* FactsGatherer::place_of(Tick& tick, const FileId& file,
                                                         const std::vector<Access>& accesses) {
  const auto stands = [&](const KnownPlace& place) {
    const Thread* thread = tick.process(place.by.pid);
    const bool same_way =
        thread != nullptr && thread->id.start_ns == place.start_ns && std::ranges::count(accesses, place.by) != 0;
    // Not all in one tick.
    const bool young = tick_ - place.read_at < kPlaceTicks + file.ino % kPlaceTicks;
    return same_way && (young || tick.renewed++ >= kRenewed);
  };
  const auto known = known_places_.find(file);
  if (known != known_places_.end() && stands(known->second)) return &known->second;
  if (tick.new_places++ >= kNewPlaces) return nullptr;
  KnownPlace found{.facts = {}, .by = accesses.front(), .start_ns = 0, .read_at = tick_, .used_at = tick_};
  if (const Thread* thread = tick.process(found.by.pid)) found.start_ns = thread->id.start_ns;
  for (const Access& access : accesses) {
    auto place = find_place(tick, access, file);
    if (!place || (found.facts && place->own_namespace)) continue;
    found.by = access;
    found.start_ns = tick.process(access.pid)->id.start_ns;
    found.facts = std::move(place);
    if (!found.facts->own_namespace) break;
  }
  // The lock was let go between two ticks: the file that bears this number is most likely still the same.
  const bool kept = known != known_places_.end() && known->second.facts && tick_ - known->second.read_at < kPlaceTicks;
  if (!found.facts && kept) return &known->second;
  return &(known_places_[file] = std::move(found));
}

void FactsGatherer::add_places(Tick& tick) {
  for (const auto& [file, accesses] : tick.files) {
    const KnownPlace* place = place_of(tick, file, accesses);
    if (place == nullptr) continue;
    known_places_[file].used_at = tick_;
    if (place->facts) tick.facts.places[file] = *place->facts;
  }
}

void FactsGatherer::add_named_places(Tick& tick) {
  std::map<std::string, PlaceFacts>& named = tick.facts.named_places;
  std::set<std::string> disputed;  // relative names that mean different files
  for (const FailedCreate& create : tick.window.failed_creates) {
    if (named.size() >= kNames) return;
    const Thread* thread = tick.process(create.actor.pid);
    if (thread == nullptr || !same_start_ns(thread->id.start_ns, create.actor.start_ns)) continue;
    const auto folder = open_thread_folder(proc_, *thread);
    auto place = folder ? places_.of_name(*folder, create.path) : std::nullopt;
    if (!place) continue;
    const auto [known, added] = named.emplace(create.path, *place);
    if (!added && known->second != *place) disputed.insert(create.path);
  }
  for (const std::string& name : disputed) named.erase(name);
}

void FactsGatherer::add_accounts(Tick& tick) {
  HostFacts& facts = tick.facts;
  const auto add_user = [&](std::uint32_t uid) {
    if (facts.users.contains(uid)) return;
    if (auto name = accounts_.user(uid)) facts.users.emplace(uid, std::move(*name));
  };
  const auto add = [&](const Permissions& permissions) {
    add_user(permissions.uid);
    if (facts.groups.contains(permissions.gid)) return;
    const GroupFacts& group = accounts_.group(permissions.gid);
    for (const std::uint32_t member : group.members) add_user(member);
    facts.groups.emplace(permissions.gid, group);
  };
  const auto add_place = [&](const PlaceFacts& place) {
    add(place.file);
    for (const PlaceFacts::Directory& directory : place.directories) add(directory.permissions);
  };
  for (const auto& [file, place] : facts.places) add_place(place);
  for (const auto& [name, place] : facts.named_places) add_place(place);
  for (auto& [pid, process] : facts.processes) {
    if (!process.uid) continue;
    add_user(*process.uid);
    if (const auto name = facts.users.find(*process.uid); name != facts.users.end()) process.user = name->second;
  }
}

void FactsGatherer::forget_unused() {
  const auto unused = [this](const auto& entry) { return tick_ - entry.second.used_at > kKeptTicks; };
  std::erase_if(known_processes_, unused);
  std::erase_if(known_places_, unused);
}

}  // namespace lockscope
