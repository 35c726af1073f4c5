// SPDX-License-Identifier: Apache-2.0
#include "model/trust.h"

#include <cstdlib>
#include <string_view>

namespace lockscope {
namespace {

// The number in "user@1000.service" or "user-1000.slice"; empty: not one.
std::string_view number_between(std::string_view text, std::string_view before, std::string_view after) {
  if (!text.starts_with(before) || !text.ends_with(after) || text.size() <= before.size() + after.size()) return {};
  text = text.substr(before.size(), text.size() - before.size() - after.size());
  return text.find_first_not_of("0123456789") == std::string_view::npos ? text : std::string_view{};
}

// Whose user slice a cgroup lies in: systemd keeps /user.slice/user-N.slice for user N; empty: nobody's.
std::string_view user_slice_of(std::string_view path) {
  while (!path.empty()) {
    if (path.front() == '/') path.remove_prefix(1);
    const std::string_view component = path.substr(0, path.find('/'));
    if (const auto number = number_between(component, "user-", ".slice"); !number.empty()) return number;
    if (const auto number = number_between(component, "user@", ".service"); !number.empty()) return number;
    path.remove_prefix(component.size());
  }
  return {};
}

void set_unit(Domain& domain, const std::optional<std::string>& cgroup, const std::optional<std::string>& unit) {
  if (!unit) return;
  const std::string_view owner = cgroup ? user_slice_of(*cgroup) : std::string_view{};
  const std::string_view manager = number_between(*unit, "user@", ".service");
  const bool session = unit->starts_with("session-") && unit->ends_with(".scope");
  const bool service = unit->ends_with(".service");
  if (!owner.empty() || !manager.empty()) {
    const std::string user(owner.empty() ? manager : owner);
    if (service && manager.empty()) {
      domain.unit_kind = Domain::UnitKind::user_service;
      domain.unit = user + "/" + *unit;
    } else {
      domain.unit_kind = Domain::UnitKind::login;
      domain.unit = "login of " + user;
    }
  } else if (session) {
    domain.unit_kind = Domain::UnitKind::login;  // whose is not known, but it is of this uid
    domain.unit = "login";
  } else if (*unit != "init.scope" && !unit->ends_with(".slice")) {
    domain.unit_kind = service ? Domain::UnitKind::system_service : Domain::UnitKind::system_other;
    domain.unit = *unit;
  }
}

Domain from_process(const ProcessFacts& process, std::optional<std::uint32_t> uid) {
  Domain domain;
  domain.known = true;
  domain.uid = process.uid ? process.uid : uid;
  domain.user_namespace = process.user_namespace;
  domain.container = process.container;
  set_unit(domain, process.cgroup, process.unit);
  return domain;
}

bool foreign_namespace(const HostFacts& facts, const Domain& domain) {
  return facts.host_user_namespace != 0 && domain.user_namespace && *domain.user_namespace != facts.host_user_namespace;
}

bool confined(const HostFacts& facts, const Domain& domain) {
  return domain.container || foreign_namespace(facts, domain);
}

template <class T>
bool both_known_and_differ(const std::optional<T>& a, const std::optional<T>& b) {
  return a && b && *a != *b;
}

bool other_unit(const Domain& a, const Domain& b) {
  using Kind = Domain::UnitKind;
  if (!both_known_and_differ(a.unit, b.unit)) return false;
  const bool of_manager = (a.unit_kind == Kind::login || a.unit_kind == Kind::user_service) &&
                          (b.unit_kind == Kind::login || b.unit_kind == Kind::user_service);
  return !of_manager || (a.unit_kind == Kind::user_service && b.unit_kind == Kind::user_service);
}

int rank_of(const HostFacts& facts, std::uint32_t uid) { return uid == 0 ? 2 : uid < facts.first_ordinary_uid ? 1 : 0; }

// For a holder that is less trusted than the victim, or of the same rank but outside of the victim's system unit.
int distance_to(const HostFacts& facts, const Domain& holder, const Domain& victim) {
  const int rank = victim.uid && !foreign_namespace(facts, victim) ? rank_of(facts, *victim.uid) : 0;
  if (rank > 0) return 3 + rank;
  const bool of_system = victim.unit_kind == Domain::UnitKind::system_service && !confined(facts, victim);
  return of_system && (holder.unit_kind != Domain::UnitKind::system_service || confined(facts, holder)) ? 4 : 3;
}

}  // namespace

Domain domain_of(const HostFacts& facts, pid_t pid, std::uint64_t start_ns, std::optional<std::uint32_t> uid) {
  const auto found = facts.processes.find(pid);
  if (found != facts.processes.end() && found->second.start_ns == start_ns) return from_process(found->second, uid);
  Domain domain;
  domain.uid = uid;
  return domain;
}

Domain domain_of(const HostFacts& facts, const Actor& actor) {
  Domain domain = domain_of(facts, actor.pid, actor.start_ns, actor.uid);
  if (domain.known) return domain;
  const auto cgroup = facts.cgroups.find(actor.cgroup);
  if (actor.cgroup == 0 || cgroup == facts.cgroups.end()) return domain;
  domain.known = true;
  domain.container = cgroup->second.container;
  set_unit(domain, cgroup->second.path, cgroup->second.unit);
  return domain;
}

const char* name_of(Trust trust) {
  switch (trust) {
    case Trust::same: return "same";
    case Trust::more_trusted: return "more_trusted";
    case Trust::less_trusted: return "less_trusted";
    case Trust::peers: return "peers";
    case Trust::unknown: return "unknown";
  }
  std::abort();
}

TrustGap compare_trust(const HostFacts& facts, const Domain& holder, const Domain& victim) {
  const auto less = [&] { return TrustGap{Trust::less_trusted, distance_to(facts, holder, victim)}; };
  const TrustGap more{Trust::more_trusted, 0};
  const TrustGap unknown{Trust::unknown, 0};

  const bool holder_confined = confined(facts, holder);
  const bool victim_confined = confined(facts, victim);
  if (holder_confined != victim_confined) {
    // Where the free one was not looked up it may be confined too; its uid still tells a user from root.
    const Domain& bound = holder_confined ? holder : victim;
    const Domain& free = holder_confined ? victim : holder;
    const bool sure = (bound.container && free.known) || (foreign_namespace(facts, bound) && free.user_namespace);
    if (sure) return holder_confined ? less() : more;
    const bool by_uid =
        holder_confined && holder.uid && victim.uid && rank_of(facts, *holder.uid) < rank_of(facts, *victim.uid);
    return by_uid ? less() : unknown;
  }
  if (both_known_and_differ(holder.container, victim.container)) return {Trust::peers, 2};
  if (both_known_and_differ(holder.user_namespace, victim.user_namespace)) {
    if (facts.host_user_namespace == 0) return unknown;
    if (!foreign_namespace(facts, holder)) return more;
    if (!foreign_namespace(facts, victim)) return less();
    return holder.container || victim.container ? unknown : TrustGap{Trust::peers, 2};
  }
  if (!holder.uid || !victim.uid) return unknown;
  if (*holder.uid == *victim.uid) {
    return other_unit(holder, victim) ? TrustGap{Trust::peers, 1} : TrustGap{Trust::same, 0};
  }
  if (foreign_namespace(facts, holder) || foreign_namespace(facts, victim)) return unknown;
  const int holder_rank = rank_of(facts, *holder.uid);
  const int victim_rank = rank_of(facts, *victim.uid);
  if (holder_rank > victim_rank) return more;
  if (holder_rank < victim_rank) return less();
  // Users of one rank: a unit of the system stands above somebody's login.
  const int distance = victim_rank == 0 ? distance_to(facts, holder, victim) : 2;
  return {Trust::peers, distance == 4 ? 4 : 2};
}

}  // namespace lockscope
