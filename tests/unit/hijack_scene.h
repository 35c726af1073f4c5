// SPDX-License-Identifier: Apache-2.0
// A victim of root's, process 10, and a suspect of alice's, process 20, for the tests of lock_hijack.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "watched_host.h"

namespace lockscope::test {

inline constexpr pid_t kVictim = 10;
inline constexpr pid_t kHolder = 20;
inline constexpr pid_t kBystander = 30;
inline const std::string kBackup = "/system.slice/backup.service";

class HijackDetected : public ::testing::Test {
 protected:
  HijackDetected() {
    host.facts.users = {{0, "root"}, {1001, "alice"}};
    host.know(kVictim, 0, kBackup, "backup.service");
    host.know(kHolder, 1001);
    host.know(kBystander, 0);
    begin_look();
  }
  void begin_look() {
    look = LookBuilder();
    victim = add(kVictim, "rotate");
    holder = add(kHolder, "sleep");
    bystander = add(kBystander, "other");
    look.thread_at(holder).state = ThreadState::blocked;
    look.thread_at(holder).syscall = 230;
    look.thread_at(holder).blocked_ns = 60 * kSecond;
  }
  std::size_t add(pid_t pid, const std::string& comm) {
    const std::size_t t = look.process(pid, comm);
    const auto known = host.facts.processes.find(pid);
    if (known != host.facts.processes.end()) look.thread_at(t).uid = known->second.uid;
    return t;
  }
  std::size_t wait_for(std::initializer_list<pid_t> sharers, std::uint64_t blocked = 12 * kSecond) {
    const std::size_t w = look.wait_for_flock(victim, kFile.ino, sharers);
    look.at(w).blocked_ns = blocked;
    look.hold_flock(kFile.ino, sharers);
    return w;
  }
  // A single look, nothing watched.
  [[nodiscard]] std::vector<Finding> in_snapshot() {
    look.facts = host.facts;
    return look.detect(kLockHijack, thresholds);
  }
  [[nodiscard]] bool innocent() { return in_snapshot().empty(); }
  [[nodiscard]] Finding only_finding() {
    const auto findings = in_snapshot();
    EXPECT_EQ(findings.size(), 1U);
    return findings.empty() ? Finding{} : findings.front();
  }
  [[nodiscard]] std::vector<Finding> watched() { return host.detect(kLockHijack, thresholds); }

  // The victim tries and fails for so many ticks, in the sight of this look.
  void fail_for(int ticks, pid_t pid = kVictim, const std::string& comm = "rotate") {
    for (int i = 0; i < ticks; ++i) {
      host.fail(actor(pid, 0, comm));
      host.tick(look);
    }
  }

  WatchedHost host;
  LookBuilder look;
  Thresholds thresholds;
  std::size_t victim = 0;
  std::size_t holder = 0;
  std::size_t bystander = 0;
};

}  // namespace lockscope::test
