// SPDX-License-Identifier: Apache-2.0
#include "detect/exposure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "detect/wording.h"
#include "model/trust.h"

namespace lockscope {
namespace {

constexpr std::size_t kMembersNamed = 3;

Standing standing_of_user(const HostFacts& facts, std::uint32_t uid) {
  return uid == 0 ? Standing::root : uid < facts.first_ordinary_uid ? Standing::system_user : Standing::none;
}

Relier from_domain(const HostFacts& facts, const Domain& domain, pid_t pid) {
  Relier relier;
  relier.pid = pid;
  const bool on_host = !domain.container && domain.user_namespace && facts.host_user_namespace != 0 &&
                       *domain.user_namespace == facts.host_user_namespace;
  if (!domain.uid || !on_host) return relier;
  relier.uid = *domain.uid;
  relier.standing = standing_of_user(facts, *domain.uid);
  if (relier.standing == Standing::none && domain.unit_kind == Domain::UnitKind::system_service) {
    relier.standing = Standing::service;
  }
  return relier;
}

// A user, seen from the one who relies on the lock.
enum class Rank { same, above, peer, below };

Rank rank_of(const HostFacts& facts, std::uint32_t uid, const Relier& relier) {
  if (uid == relier.uid) return Rank::same;
  const Standing standing = standing_of_user(facts, uid);
  // Whoever is no system user stands below a service of the system, whatever user that one runs as.
  if (relier.standing == Standing::service) return standing == Standing::none ? Rank::below : Rank::above;
  return standing > relier.standing ? Rank::above : standing == relier.standing ? Rank::peer : Rank::below;
}

Severity severity_for_all(const Way& way, const UseOfLock& use) {
  if (!use.held && !use.waited_for) return Severity::notice;
  const bool relied_on = use.waited_for || use.exclusive;
  return way.right == Way::Right::take && relied_on ? Severity::critical : Severity::warning;
}

Severity severity_for_some(Rank rank, const UseOfLock& use) {
  return rank == Rank::below && (use.held || use.waited_for) ? Severity::warning : Severity::notice;
}

std::optional<Exposure> by_group(const HostFacts& facts, const Way& way, const Relier& relier, const UseOfLock& use) {
  Exposure exposure{.way = way, .severity = Severity::notice, .who = {}};
  exposure.who = fmt::format("members of group {}", name_group(facts, way.id));
  const auto group = facts.groups.find(way.id);
  std::vector<std::string> members;
  bool below = false;
  bool any = false;
  if (group != facts.groups.end()) {
    for (const std::uint32_t uid : group->second.members) {
      const Rank rank = rank_of(facts, uid, relier);
      if (rank == Rank::same || rank == Rank::above) continue;
      any = true;
      below = below || rank == Rank::below;
      members.push_back(name_user(facts, uid));
    }
  }
  // The group of root has nobody in it but where somebody was put there.
  if (!any && (way.id == 0 || (group != facts.groups.end() && !group->second.members.empty()))) return std::nullopt;
  if (any) {
    exposure.severity = severity_for_some(below ? Rank::below : Rank::peer, use);
    exposure.who += fmt::format(": {}", name_list(members, kMembersNamed));
  } else {
    exposure.who += ", of whom none is known";
  }
  return exposure;
}

std::optional<Exposure> by_owner(const HostFacts& facts, const Way& way, const Relier& relier, const UseOfLock& use) {
  const Rank rank = rank_of(facts, way.id, relier);
  if (rank == Rank::same || rank == Rank::above) return std::nullopt;
  return Exposure{
      .way = way, .severity = severity_for_some(rank, use), .who = fmt::format("user {}", name_user(facts, way.id))};
}

std::optional<Exposure> exposure_by(const HostFacts& facts, const Way& way, const Relier& relier,
                                    const UseOfLock& use) {
  switch (way.who) {
    case Way::Who::anyone: return Exposure{.way = way, .severity = severity_for_all(way, use), .who = "any user"};
    case Way::Who::group: return by_group(facts, way, relier, use);
    case Way::Who::owner: return by_owner(facts, way, relier, use);
    case Way::Who::listed:
      return Exposure{.way = way, .severity = Severity::notice, .who = "whoever an access list names"};
  }
  std::abort();
}

}  // namespace

Relier relier_of(const SampleView& view, pid_t pid) {
  const auto& threads = view.sample.raw.threads;
  const auto first = std::ranges::lower_bound(threads, pid, {}, &Thread::pid);
  if (first == threads.end() || first->pid != pid) return Relier{.pid = pid, .exe = {}, .unit = {}};
  const Domain domain = domain_of(view.facts, pid, first->id.start_ns, first->uid);
  Relier relier = from_domain(view.facts, domain, pid);
  if (const auto facts = view.facts.processes.find(pid); domain.known && facts != view.facts.processes.end()) {
    relier.exe = facts->second.exe;
    relier.unit = facts->second.unit;
  }
  return relier;
}

Relier relier_of(const HostFacts& facts, const Actor& actor) {
  const Domain domain = domain_of(facts, actor);
  Relier relier = from_domain(facts, domain, actor.pid);
  if (const auto process = facts.processes.find(actor.pid); domain.known && process != facts.processes.end()) {
    relier.exe = process->second.exe;
    relier.unit = process->second.unit;
  }
  return relier;
}

bool stands_below(const HostFacts& facts, std::uint32_t uid, const Relier& relier) {
  return rank_of(facts, uid, relier) == Rank::below;
}

std::vector<Exposure> exposures_of(const HostFacts& facts, const PlaceFacts& place, NeededRight needed,
                                   const Relier& relier, const UseOfLock& use) {
  std::vector<Exposure> exposures;
  if (relier.standing == Standing::none) return exposures;
  for (const Way& way : ways_to(place, needed)) {
    // What is only mapped may be no lock at all, and making it first is a way to everything in /dev/shm.
    if (way.right == Way::Right::pre_create && !use.held && !use.waited_for) continue;
    if (auto exposure = exposure_by(facts, way, relier, use)) exposures.push_back(std::move(*exposure));
  }
  std::ranges::stable_sort(exposures, std::greater{}, &Exposure::severity);
  return exposures;
}

std::string name_user(const HostFacts& facts, std::uint32_t uid) {
  const auto name = facts.users.find(uid);
  return name == facts.users.end() ? fmt::format("{}", uid) : fmt::format("{} ({})", name->second, uid);
}

std::string name_group(const HostFacts& facts, std::uint32_t gid) {
  const auto group = facts.groups.find(gid);
  if (group == facts.groups.end() || !group->second.name) return fmt::format("{}", gid);
  return fmt::format("{} ({})", *group->second.name, gid);
}

std::string name_directories(const HostFacts& facts, const PlaceFacts& place) {
  const auto user = [&](std::uint32_t uid) {
    const auto name = facts.users.find(uid);
    return name == facts.users.end() ? std::to_string(uid) : name->second;
  };
  const auto group = [&](std::uint32_t gid) {
    const auto known = facts.groups.find(gid);
    return known == facts.groups.end() || !known->second.name ? std::to_string(gid) : *known->second.name;
  };
  std::string text;
  for (const auto& [path, permissions] : place.directories) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {} {}:{}{}", path, name_mode(permissions.mode), user(permissions.uid),
                        group(permissions.gid), permissions.acl ? " with an access list" : "");
  }
  return text;
}

}  // namespace lockscope
