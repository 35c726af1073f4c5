// SPDX-License-Identifier: Apache-2.0
// A host that is watched tick by tick, for tests of the lock table and of the detectors that read it. Ticks are half a
// second; the clock moves with them only.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lockscope/lock_table.h"
#include "look_builder.h"

namespace lockscope::test {

inline constexpr std::uint64_t kTick = kSecond / 2;
inline constexpr std::uint64_t kHostNamespace = 4026531837;
inline constexpr FileId kFile{.dev = 8, .ino = 7};
inline constexpr LockOfFile kFlock{.file = kFile, .flock = true};
inline constexpr SharedPlace kShared{.file = {.dev = 1, .ino = 70}, .offset = 0};

// As LookBuilder makes threads: a process starts when its number says.
inline Actor actor(pid_t pid, std::uint32_t uid = 0, std::string comm = "app", std::uint64_t cgroup = 0) {
  return {.pid = pid,
          .start_ns = static_cast<std::uint64_t>(pid) * kSecond,
          .uid = uid,
          .cgroup = cgroup,
          .comm = std::move(comm)};
}

inline FileLockUse flock_use(Actor who) {
  FileLockUse use;
  use.actor = std::move(who);
  use.file = kFile;
  return use;
}

class WatchedHost {
 public:
  WatchedHost() : now(kTaken) {}
  explicit WatchedHost(const LockTable::Limits& limits) : table(limits), now(kTaken) {}

  [[nodiscard]] std::uint64_t soon(std::uint64_t after = kTick / 2) const { return now + after; }

  // Half a second in which `counted` was counted, and this look at its end.
  void tick(LookBuilder look) {
    counted.begin_ns = now;
    now += kTick;
    counted.end_ns = now;
    look.sample.raw.taken_ns = now;
    table.absorb(counted, look.sample);
    counted = {};
    last = std::move(look);
  }
  void tick() { tick(LookBuilder()); }

  void grant(const Actor& who, std::uint64_t releases = 0) {
    FileLockUse use = flock_use(who);
    use.granted_exclusive = 1;
    use.released = releases;
    use.last_granted_ns = soon();
    if (releases > 0) use.last_released_ns = soon();
    counted.file_locks.push_back(use);
  }
  void fail(const Actor& who, std::uint64_t tries = 5) {
    FileLockUse use = flock_use(who);
    use.failed = tries;
    use.first_failed_ns = soon(1);
    use.last_failed_ns = soon(kTick - 1);
    counted.file_locks.push_back(use);
  }
  // Judges the last look.
  [[nodiscard]] std::vector<Finding> detect(const CatalogEntry& entry, const Thresholds& thresholds = {}) {
    last.locks = &table;
    last.facts = facts;
    return last.detect(entry, thresholds);
  }

  void know(pid_t pid, std::uint32_t uid, const std::string& cgroup = {}, const std::string& unit = {},
            const std::string& container = {}) {
    ProcessFacts process;
    process.start_ns = static_cast<std::uint64_t>(pid) * kSecond;
    process.uid = uid;
    process.user_namespace = kHostNamespace;
    process.exe = "/usr/bin/p" + std::to_string(pid);
    if (!cgroup.empty()) process.cgroup = cgroup;
    if (!unit.empty()) process.unit = unit;
    if (!container.empty()) process.container = container;
    facts.processes[pid] = process;
    facts.host_user_namespace = kHostNamespace;
  }

  LockTable table;
  HostFacts facts;
  ContentionWindow counted;
  LookBuilder last;
  std::uint64_t now;
};

inline std::optional<Fact> evidence(const Finding& finding, const std::string& key) {
  for (const auto& [name, fact] : finding.evidence) {
    if (name == key) return fact;
  }
  return std::nullopt;
}
inline std::string evidence_text(const Finding& finding, const std::string& key) {
  const auto fact = evidence(finding, key);
  return fact && std::holds_alternative<std::string>(*fact) ? std::get<std::string>(*fact) : "";
}
inline std::int64_t evidence_number(const Finding& finding, const std::string& key) {
  const auto fact = evidence(finding, key);
  return fact && std::holds_alternative<std::int64_t>(*fact) ? std::get<std::int64_t>(*fact) : -1;
}

}  // namespace lockscope::test
