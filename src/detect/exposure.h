// SPDX-License-Identifier: Apache-2.0
// How an exposed lock is judged and put into words: who relies on it, who else could get at it, how bad that is.
// For exposed_lock.cpp and taken_lock_name.cpp. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lockscope/detector.h"
#include "model/reach.h"

namespace lockscope {

// How far a process of the host is trusted. Confined ones (containers, user namespaces) and those of which too little
// is known have none: a lock of theirs is not judged.
enum class Standing { none, service, system_user, root };

struct Relier {
  pid_t pid = 0;
  std::uint32_t uid = 0;
  Standing standing = Standing::none;
  std::optional<std::string> exe;
  std::optional<std::string> unit;
};

// Of a process in sight, and of one that may have ended.
[[nodiscard]] Relier relier_of(const SampleView& view, pid_t pid);
[[nodiscard]] Relier relier_of(const HostFacts& facts, const Actor& actor);

struct UseOfLock {
  bool exclusive = false;  // held so, or waited for so
  bool waited_for = false;
  bool held = false;  // else only mapped, which tells that it can be used
};

struct Exposure {
  Way way;
  Severity severity = Severity::notice;
  std::string who;  // "any user", "user alice (1000)", "members of group adm (4)"
};

// The ways that lead a less trusted one, or a peer, to a lock on which `relier` relies; the worst first.
[[nodiscard]] std::vector<Exposure> exposures_of(const HostFacts& facts, const PlaceFacts& place, NeededRight needed,
                                                 const Relier& relier, const UseOfLock& use);

// Whether this user is less trusted than the one who relies on a lock.
[[nodiscard]] bool stands_below(const HostFacts& facts, std::uint32_t uid, const Relier& relier);

[[nodiscard]] std::string name_user(const HostFacts& facts, std::uint32_t uid);  // "alice (1000)", "1000"
[[nodiscard]] std::string name_group(const HostFacts& facts, std::uint32_t gid);
// "/ 0755 root:root, /tmp 1777 root:root"
[[nodiscard]] std::string name_directories(const HostFacts& facts, const PlaceFacts& place);

}  // namespace lockscope
