// SPDX-License-Identifier: Apache-2.0
// The lock table against a naive reference that keeps every event: sums, and which series of failures go on. Seeded.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "watched_host.h"

namespace lockscope::test {
namespace {

struct Event {
  std::uint64_t time = 0;
  std::uint64_t inode = 0;
  VictimId who;
  bool granted = false;
};

// By lock and victim: failures after the last grant. Of a window with both, only a failure after the window's last
// grant counts, and if there were some before it too, only the last one.
std::map<std::pair<std::uint64_t, VictimId>, std::uint64_t> failing_by_hand(
    const std::vector<std::vector<Event>>& windows) {
  std::map<std::pair<std::uint64_t, VictimId>, std::uint64_t> tries;
  for (const std::vector<Event>& window : windows) {
    std::map<std::pair<std::uint64_t, VictimId>, std::vector<Event>> by_key;
    for (const Event& event : window) by_key[{event.inode, event.who}].push_back(event);
    for (auto& [key, events] : by_key) {
      std::uint64_t before = 0, after = 0;
      bool granted = false;
      for (const Event& event : events) {  // in the order of time
        if (event.granted) {
          before += after;
          after = 0;
          granted = true;
        } else {
          ++after;
        }
      }
      if (granted) tries[key] = 0;
      tries[key] += granted && before > 0 && after > 0 ? 1 : after;
    }
  }
  std::erase_if(tries, [](const auto& entry) { return entry.second == 0; });
  return tries;
}

TEST(LockTableProperty, KeepsWhatAFullHistoryWouldTell) {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    WatchedHost host;
    std::vector<std::vector<Event>> windows;
    std::map<std::uint64_t, LockTable::Operations> sums;
    std::map<std::uint64_t, std::set<pid_t>> processes;
    for (int tick = 0; tick < 12; ++tick) {
      std::vector<Event> window;
      // By process, as the kernel counts: two processes are one victim if they look the same.
      std::map<std::pair<std::uint64_t, pid_t>, FileLockUse> counted;
      const std::uint64_t events = below(12);
      for (std::uint64_t n = 0; n < events; ++n) {
        const auto pid = static_cast<pid_t>(10 + below(4));
        const Actor who = actor(pid, static_cast<std::uint32_t>(pid % 2), "app");
        const Event event{.time = host.soon(100 + n * 100),
                          .inode = 1 + below(2),
                          .who = {who.uid, who.cgroup, who.comm},
                          .granted = below(3) == 0};
        FileLockUse& use = counted.try_emplace({event.inode, pid}, flock_use(who)).first->second;
        use.file.ino = event.inode;
        if (event.granted) {
          ++use.granted_exclusive;
          use.last_granted_ns = event.time;
          ++sums[event.inode].granted;
        } else {
          if (use.failed++ == 0) use.first_failed_ns = event.time;
          use.last_failed_ns = event.time;
          ++sums[event.inode].failed;
        }
        processes[event.inode].insert(pid);
        window.push_back(event);
      }
      for (const auto& [key, use] : counted) host.counted.file_locks.push_back(use);
      std::ranges::shuffle(host.counted.file_locks, random);
      host.tick();
      windows.push_back(window);

      const auto expected = failing_by_hand(windows);
      std::size_t recent = 0;
      for (const LockTable::FailingVictim& failing : host.table.failing()) {
        const auto found = expected.find({std::get<LockOfFile>(*failing.lock).file.ino, *failing.victim});
        ASSERT_NE(found, expected.end()) << "seed " << seed;
        EXPECT_EQ(failing.series->tries, found->second) << "seed " << seed;
        ++recent;
      }
      EXPECT_LE(recent, expected.size());
      // Whoever failed in this window and is still kept out must be there.
      for (const Event& event : window) {
        if (!expected.contains({event.inode, event.who})) continue;
        const bool listed = std::ranges::any_of(host.table.failing(), [&](const auto& failing) {
          return std::get<LockOfFile>(*failing.lock).file.ino == event.inode && *failing.victim == event.who;
        });
        EXPECT_TRUE(listed || event.granted) << "seed " << seed;
      }
    }
    for (const auto& [inode, sum] : sums) {
      const LockTable::Lock* lock = host.table.find(LockOfFile{{8, inode}, true});
      ASSERT_NE(lock, nullptr);
      EXPECT_EQ(lock->operations.granted, sum.granted);
      EXPECT_EQ(lock->operations.failed, sum.failed);
      EXPECT_EQ(lock->operations.processes, processes[inode].size());
    }
  }
}

}  // namespace
}  // namespace lockscope::test
