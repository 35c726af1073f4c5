// SPDX-License-Identifier: Apache-2.0
// Domains of trust: may the holder of a lock be suspected of keeping its victim out? Pure; from the facts of a tick.
// Used by the detectors. A few string comparisons.
//
// A domain is a uid (as the initial user namespace numbers it), a user namespace, a container and a systemd unit.
// The holder is compared with the victim, in this order; what is not known on both sides makes no difference:
//
//   one confined, the other not          the confined one is less trusted, whatever its uid
//     (confined: in a container, or in a user namespace other than the host's)
//   other container                      peers
//   other user namespace                 the host's is more trusted; two others: peers outside of containers, unknown
//                                        within one, where one may be nested in the other
//   uids differ                          root > system user (below the first ordinary uid) > ordinary user;
//                                        equal: peers. In a user namespace other than the host's: unknown, since the
//                                        uids are mapped
//   the same uid, other unit             peers
//   else                                 the same domain
//
// Units: all sessions of a user, his user@N.service and the scopes below it are one, his login, and so is a service of
// his user manager beside them; two services of it are two units. init.scope and slices are no units.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "lockscope/contention.h"
#include "lockscope/facts.h"
#include "lockscope/finding.h"

namespace lockscope {

struct Domain {
  // Of this domain the login of the user; a service of his user manager; anything that the system manager started.
  enum class UnitKind : std::uint8_t { unknown, login, user_service, system_service, system_other };
  std::optional<std::uint32_t> uid;
  std::optional<std::uint64_t> user_namespace;
  std::optional<std::string> container;
  std::optional<std::string> unit;  // a name that says whose and which, where it tells domains apart
  UnitKind unit_kind = UnitKind::unknown;
  bool known = false;  // not only the uid: the process or its cgroup was looked up
  friend auto operator<=>(const Domain&, const Domain&) = default;
};

// Of a process in sight. `facts` are believed only if they are of a process with this start.
[[nodiscard]] Domain domain_of(const HostFacts& facts, pid_t pid, std::uint64_t start_ns,
                               std::optional<std::uint32_t> uid);
// Of one that may have ended: then what its cgroup tells.
[[nodiscard]] Domain domain_of(const HostFacts& facts, const Actor& actor);

// The holder, seen from the victim.
enum class Trust { same, more_trusted, less_trusted, peers, unknown };
[[nodiscard]] const char* name_of(Trust trust);

struct TrustGap {
  Trust trust = Trust::unknown;
  // How far the victim stands above the holder: 0 the same domain or not known; 1 another unit of the same user; 2 two
  // users or containers of equal rank; 3 a less trusted one against an ordinary user; 4 against a system user or a
  // unit of the system; 5 against root.
  int distance = 0;
  // Of starving the victim: critical against root, system users and units of the system, else a warning.
  [[nodiscard]] Severity severity() const { return distance >= 4 ? Severity::critical : Severity::warning; }
  // The holder may be accused.
  [[nodiscard]] bool outsider() const { return trust == Trust::less_trusted || trust == Trust::peers; }
};
[[nodiscard]] TrustGap compare_trust(const HostFacts& facts, const Domain& holder, const Domain& victim);

}  // namespace lockscope
