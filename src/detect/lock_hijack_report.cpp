// SPDX-License-Identifier: Apache-2.0
// The words of lock_hijack: who keeps whom out, how the lock can be reached, and what to do.
#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <set>

#include "detect/fingerprint.h"
#include "detect/lock_hijack.h"
#include "detect/wording.h"
#include "model/reach.h"

namespace lockscope {
namespace {

constexpr std::size_t kNamedAtMost = 64;  // holders, waiters and failing victims; the counts tell of all

constexpr std::uint32_t kSticky = 01000;
constexpr std::uint32_t kOthersWrite = 02;

const ProcessFacts* facts_of(const SampleView& view, pid_t pid) {
  const auto found = view.facts.processes.find(pid);
  return found == view.facts.processes.end() ? nullptr : &found->second;
}

const PlaceFacts* place_of(const SampleView& view, const ContendedLock& lock) {
  const FileId* file = nullptr;
  if (const auto* of_file = std::get_if<LockOfFile>(&lock)) file = &of_file->file;
  if (const auto* shared = std::get_if<SharedPlace>(&lock)) file = &shared->file;
  if (file == nullptr) return nullptr;
  const auto found = view.facts.places.find(*file);
  return found == view.facts.places.end() ? nullptr : &found->second;
}

std::string name_user(const HostFacts& facts, std::uint32_t uid) {
  const auto name = facts.users.find(uid);
  if (name != facts.users.end()) return name->second;
  return uid == 0 ? "root" : fmt::format("uid {}", uid);
}

// "alice (uid 1001)", or what tells it from `other`: its container, its unit.
std::string name_domain(const HostFacts& facts, const Domain& domain, const Domain& other, bool prefer_unit) {
  if (domain.container && domain.container != other.container) return "container " + *domain.container;
  const bool same_user = domain.uid && domain.uid == other.uid;
  const bool of_system = domain.unit_kind == Domain::UnitKind::system_service;
  if (domain.unit && (same_user || (prefer_unit && of_system))) return *domain.unit;
  if (!domain.uid) return "somebody";
  const std::string name = name_user(facts, *domain.uid);
  if (*domain.uid == 0 || name.starts_with("uid ")) return name;
  return fmt::format("{} (uid {})", name, *domain.uid);
}

// With its article: "the flock", "the POSIX lock".
std::string name_held(const HijackCase& found) { return fmt::format("the {}", words_for(found.kind)); }

std::string name_place(const SampleView& view, const HijackCase& found) {
  if (const PlaceFacts* place = place_of(view, found.lock); place != nullptr && !place->path.empty()) {
    return place->path;
  }
  if (const auto* file = std::get_if<LockOfFile>(&found.lock)) return fmt::format("inode {}", file->file.ino);
  if (const auto* shared = std::get_if<SharedPlace>(&found.lock)) {
    return fmt::format("shared memory of inode {}", shared->file.ino);
  }
  return "a lock";
}

// "rotate (4300, root) waits", "3 threads wait", "rotate (4300, root) fails to get it, 120 times now".
std::string name_victims(const SampleView& view, const HijackCase& found) {
  const auto with_user = [&](const std::string& comm, pid_t pid, const Domain& domain) {
    const std::string user = domain.uid ? ", " + name_user(view.facts, *domain.uid) : "";
    return fmt::format("{} ({}{})", comm.empty() ? "process" : comm, pid, user);
  };
  std::string text;
  if (found.waits.size() == 1) {
    const Thread& thread = view.sample.raw.threads[view.sample.waits[found.waits.front()].thread];
    text = with_user(thread.comm, thread.pid, found.victim) + " waits";
  } else if (!found.waits.empty()) {
    text = name_threads(found.waits.size()) + " wait";
  }
  if (found.failing.empty()) return text;
  if (!text.empty()) text += " and ";
  std::uint64_t tries = 0;
  for (const LockTable::FailingVictim& failing : found.failing) tries += failing.series->tries;
  const Actor& actor = found.failing.front().series->actor;
  text += with_user(actor.comm, actor.pid, found.victim);
  if (found.failing.size() > 1) text += fmt::format(" and {} more", found.failing.size() - 1);
  return text + fmt::format(" failed to get it {} times", tries);
}

std::string summary_of(const SampleView& view, const HijackCase& found) {
  const std::string holder = name_process(view.sample, found.holders.front());
  const std::size_t others = found.holders.size() - 1;
  const bool many = others > 0;
  const std::string verb = found.held_now ? (many ? "hold" : "holds") : (many ? "keep taking" : "keeps taking");
  return fmt::format("{} keeps {} out of {}: {}{} {} {} while {}, for at least {}",
                     name_domain(view.facts, found.holder, found.victim, false),
                     name_domain(view.facts, found.victim, found.holder, true), name_place(view, found), holder,
                     many ? fmt::format(" and {} more", others) : "", verb, name_held(found), name_victims(view, found),
                     name_duration(found.starved_ns));
}

std::string world_writable(const PlaceFacts& place) {
  std::string text;
  for (const PlaceFacts::Directory& directory : place.directories) {
    if ((directory.permissions.mode & kOthersWrite) == 0) continue;
    text += (text.empty() ? "" : ", ") + directory.path;
    if ((directory.permissions.mode & kSticky) != 0) text += " (sticky)";
  }
  return text;
}

// The way by which this holder can have come to the lock.
std::optional<Way> way_of(const PlaceFacts& place, const HijackCase& found) {
  const bool file = std::holds_alternative<LockOfFile>(found.lock);
  const std::vector<Way> ways = ways_to(place, file ? NeededRight::open : NeededRight::write);
  const auto open_to_holder = std::ranges::find_if(ways, [&](const Way& way) {
    return way.who == Way::Who::anyone || (way.who == Way::Who::owner && found.holder.uid == way.id);
  });
  if (open_to_holder != ways.end()) return *open_to_holder;
  return ways.empty() ? std::nullopt : std::optional(ways.front());
}

std::string hint_for(const SampleView& view, const HijackCase& found) {
  std::string text = fmt::format("see what {} does with the lock (it is {}), then end it (kill {}); ",
                                 name_process(view.sample, found.holders.front()),
                                 name_state(view.sample, found.holders.front()), found.holders.front());
  const PlaceFacts* place = place_of(view, found.lock);
  const std::optional<Way> way = place == nullptr ? std::nullopt : way_of(*place, found);
  if (!way) return text + "let only those who need the lock open its file";
  const bool of_system = found.victim.unit_kind == Domain::UnitKind::system_service;
  return text + change_that_closes(*place, *way, of_system ? found.victim.unit : std::nullopt);
}

void add_party(const SampleView& view, const std::string& role, const Domain& domain, pid_t pid,
               std::vector<std::pair<std::string, Fact>>& evidence) {
  if (domain.uid) {
    evidence.emplace_back(role + "_user", name_user(view.facts, *domain.uid));
    evidence.emplace_back(role + "_uid", std::int64_t{*domain.uid});
  }
  const ProcessFacts* facts = facts_of(view, pid);
  if (facts != nullptr && facts->unit) {
    evidence.emplace_back(role + "_unit", *facts->unit);
  } else if (domain.unit) {
    evidence.emplace_back(role + "_unit", *domain.unit);
  }
  if (domain.container) evidence.emplace_back(role + "_container", *domain.container);
  if (domain.user_namespace && view.facts.host_user_namespace != 0 &&
      *domain.user_namespace != view.facts.host_user_namespace) {
    evidence.emplace_back(role + "_user_namespace", static_cast<std::int64_t>(*domain.user_namespace));
  }
  if (facts != nullptr && facts->exe) evidence.emplace_back(role + "_exe", *facts->exe);
}

void add_place(const SampleView& view, const HijackCase& found, Finding& finding) {
  const PlaceFacts* place = place_of(view, found.lock);
  if (place == nullptr) return;
  finding.evidence.emplace_back("lock_path", place->path);
  finding.evidence.emplace_back("lock_mode", name_mode(place->file.mode));
  finding.evidence.emplace_back("lock_owner", name_user(view.facts, place->file.uid));
  if (place->created_ns) {
    finding.evidence.emplace_back("lock_created_ns", static_cast<std::int64_t>(*place->created_ns));
  }
  if (const auto way = way_of(*place, found)) finding.evidence.emplace_back("way", way->explanation);
  if (place->unlinked) finding.evidence.emplace_back("lock_unlinked", true);
  const std::string writable = world_writable(*place);
  if (!writable.empty()) finding.evidence.emplace_back("world_writable_directories", writable);
}

// Absent: not a file lock, or not in sight at this moment.
std::optional<bool> readonly_descriptor(const SampleView& view, const HijackCase& found) {
  const auto* file = std::get_if<LockOfFile>(&found.lock);
  if (file == nullptr) return std::nullopt;
  std::optional<bool> all;
  for (const FileLock& held : view.sample.raw.file_locks) {
    if (held.file != file->file || (held.kind == FileLockKind::flock) != file->flock) continue;
    for (const FileLock::Sharer& sharer : held.sharers) {
      if (std::ranges::binary_search(found.holders, sharer.pid)) all = all.value_or(true) && sharer.readonly;
    }
  }
  return all;
}

void add_history(const SampleView& view, const HijackCase& found, Finding& finding) {
  std::uint64_t tries = 0;
  std::set<std::uint32_t> victims;
  if (found.victim.uid) victims.insert(*found.victim.uid);
  for (const LockTable::FailingVictim& failing : found.failing) {
    tries += failing.series->tries;
    victims.insert(failing.victim->uid);
  }
  finding.evidence.emplace_back("victims", static_cast<std::int64_t>(found.waits.size() + found.failing.size()));
  if (tries > 0) finding.evidence.emplace_back("tries", static_cast<std::int64_t>(tries));
  if (view.locks == nullptr) return;
  std::uint64_t granted = 0;
  for (const pid_t pid : found.holders) {
    if (const LockTable::Use* use = view.locks->find_use(found.lock, pid)) granted += use->granted;
  }
  const std::uint64_t first = found.holders.size();
  if (granted > 0)
    finding.evidence.emplace_back("retaken", static_cast<std::int64_t>(granted - std::min(granted, first)));
  std::uint64_t exposure = 0;
  for (const std::uint32_t uid : victims) exposure += view.locks->exposure_ns(found.lock, uid);
  if (exposure > 0) finding.evidence.emplace_back("exposure_ns", static_cast<std::int64_t>(exposure));
}

// Not the pids: whoever of this domain holds it next against whoever of that one, it is the same finding.
std::string fingerprint_of_case(const HostFacts& facts, const HijackCase& found) {
  Fingerprint fingerprint(kLockHijack.name);
  fingerprint.add_lock(found.lock);
  for (const Domain* domain : {&found.holder, &found.victim}) {
    const bool foreign = domain->user_namespace && *domain->user_namespace != facts.host_user_namespace;
    fingerprint.add(domain->uid ? *domain->uid + std::uint64_t{1} : 0).add(foreign ? *domain->user_namespace : 0);
    fingerprint.add(domain->container.value_or("")).add(domain->unit.value_or(""));
  }
  return fingerprint.hex();
}

bool matches(const std::string& pattern, const std::optional<std::string>& text) {
  return pattern.empty() || (text && fnmatch(pattern.c_str(), text->c_str(), 0) == 0);
}

}  // namespace

bool is_allowed(const SampleView& view, const ContendedLock& lock, pid_t holder) {
  if (view.thresholds.allowed.empty()) return false;
  const ProcessFacts* facts = facts_of(view, holder);
  const PlaceFacts* place = place_of(view, lock);
  const std::optional<std::string> none;
  const std::optional<std::string> path = place == nullptr ? none : std::optional(place->path);
  return std::ranges::any_of(view.thresholds.allowed, [&](const AllowRule& rule) {
    if (rule.exe.empty() && rule.path.empty() && rule.unit.empty()) return false;
    return matches(rule.exe, facts == nullptr ? none : facts->exe) && matches(rule.path, path) &&
           matches(rule.unit, facts == nullptr ? none : facts->unit);
  });
}

Finding report_hijack(const SampleView& view, const HijackCase& found) {
  Finding finding;
  finding.kind = kLockHijack.name;
  finding.cwe = kLockHijack.cwe;
  finding.severity = found.gap.severity();
  finding.confidence = found.confirmed ? Confidence::confirmed : Confidence::likely;
  finding.fingerprint = fingerprint_of_case(view.facts, found);
  finding.summary = summary_of(view, found);
  finding.hint = hint_for(view, found);
  finding.lock = LockReference{.kind = found.kind, .lock = found.lock};
  finding.age_ns = found.starved_ns;
  finding.waiters = found.waits;
  finding.waiters.resize(std::min(finding.waiters.size(), kNamedAtMost));
  finding.holders = found.holders;
  finding.holders.resize(std::min(finding.holders.size(), kNamedAtMost));
  for (const LockTable::FailingVictim& failing : found.failing) {
    if (finding.failing.size() == kNamedAtMost) break;
    const LockTable::Series& series = *failing.series;
    finding.failing.push_back(
        {.actor = series.actor, .tries = series.tries, .first_ns = series.first_ns, .last_ns = series.last_ns});
  }
  add_party(view, "victim", found.victim, found.victim_pid, finding.evidence);
  add_party(view, "holder", found.holder, found.holders.front(), finding.evidence);
  finding.evidence.emplace_back("holder_state", name_state(view.sample, found.holders.front()));
  if (const auto readonly = readonly_descriptor(view, found)) {
    finding.evidence.emplace_back("holder_readonly_descriptor", *readonly);
  }
  finding.evidence.emplace_back("holder_known_by", std::string(name_of(found.evidence)));
  add_place(view, found, finding);
  add_history(view, found, finding);
  finding.evidence.emplace_back("trust", std::string(name_of(found.gap.trust)));
  finding.evidence.emplace_back("distance", std::int64_t{found.gap.distance});
  return finding;
}

}  // namespace lockscope
