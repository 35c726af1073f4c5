// SPDX-License-Identifier: Apache-2.0
// What the contention source does besides counting waits and file locks: hooks on request, other PID namespaces, tables
// that are full, and kernels whose storage must be made ahead.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>

#include "tests/kernel/contention_stage.h"
#include "tests/support/command.h"

namespace lockscope::test {
namespace {

class ContentionHooks : public ContentionTest {};

// Futex waits of 2 ms, each on another word; all time out. Adds how many of them slept.
bool wait_on_words(int words, const SharedNumber& sleeps) {
  std::vector<std::atomic<int>> memory(static_cast<std::size_t>(words));
  const std::uint64_t before = own_sleeps();
  for (auto& word : memory) {
    const timespec soon{0, 2'000'000};
    if (::syscall(SYS_futex, &word, 128, 0, &soon, nullptr, 0) == 0 || errno != ETIMEDOUT) return false;
  }
  *sleeps += own_sleeps() - before;
  farewell();
  return true;
}

bool has_hook(const BpfContentionSource& source, const std::string& name) {
  return std::ranges::find(source.hooks(), name, &BpfContentionSource::Hook::name) != source.hooks().end();
}

TEST_F(ContentionHooks, EveryHookSaysWhatItGivesAndWhatItCosts) {
  ContentionSettings settings;
  settings.writes = settings.failed_creates = settings.account = true;
  const auto source = open_source(settings);
  for (const char* name : {"contention_switch", "contention_waking", "contention_flock", "contention_posix",
                           "contention_write", "contention_create"}) {
    EXPECT_TRUE(has_hook(*source, name)) << name;
  }
  for (const auto& hook : source->hooks()) EXPECT_FALSE(hook.gives.empty()) << hook.name;
  const SharedNumber sleeps;
  Actress actress([&] { return wait_on_words(5, sleeps); });
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  ASSERT_TRUE(window->hooks.contains("contention_switch"));
  EXPECT_GT(window->hooks.at("contention_switch").runs, 0u);
  EXPECT_GT(window->hooks.at("contention_switch").run_ns, 0u);
}

TEST_F(ContentionHooks, NotAskedForIsNotAttached) {
  const auto source = open_source();
  EXPECT_FALSE(has_hook(*source, "contention_write"));
  EXPECT_FALSE(has_hook(*source, "contention_create"));
  const TemporaryFolder folder;
  Actress actress([&] {
    const std::string path = folder.path() + "/lock";
    const int fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
    return ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600) < 0 && ::write(fd, "x", 1) == 1;
  });
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  EXPECT_TRUE(window->failed_creates.empty());
  EXPECT_TRUE(window->writes.empty());
}

TEST_F(ContentionHooks, StorageMadeAheadCountsTheSame) {
  ContentionSettings settings;
  settings.prepare_threads = true;
  const SharedNumber old_sleeps, fresh_sleeps;
  // One from before the start, and one from after it.
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  Actress before([&] {
    char byte = 0;
    return ::read(go[0], &byte, 1) == 1 && wait_on_words(7, old_sleeps);
  });
  const auto source = open_source(settings);
  EXPECT_TRUE(has_hook(*source, "contention_new_thread"));
  ASSERT_EQ(::write(go[1], "x", 1), 1);
  Actress after([&] { return wait_on_words(9, fresh_sleeps); });
  const pid_t pids[] = {before.pid(), after.pid()};
  ASSERT_TRUE(before.finish());
  ASSERT_TRUE(after.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  Sum old, fresh;
  old.add(*window, pids[0]);
  fresh.add(*window, pids[1]);
  EXPECT_TRUE(accounted(old.waits.abandoned, *old_sleeps, *window));
  EXPECT_TRUE(accounted(fresh.waits.abandoned, *fresh_sleeps, *window));
  EXPECT_GT(*old_sleeps, 0u);
  EXPECT_GT(*fresh_sleeps, 0u);
  ::close(go[0]);
  ::close(go[1]);
}

TEST_F(ContentionHooks, FullWaitTableLosesByNumber) {
  constexpr int kWords = 150;
  ContentionSettings settings;
  settings.table_entries = 16;
  const auto source = open_source(settings);
  const SharedNumber sleeps;
  Actress ordinary([&] { return wait_on_words(kWords, sleeps); }, 54321);
  const pid_t pid = ordinary.pid();
  ASSERT_TRUE(ordinary.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  Sum sum;
  sum.add(*window, pid);
  // One more may be the farewell.
  const std::uint64_t full = lost(*window, "wait table full (ordinary users)");
  EXPECT_TRUE(accounted(sum.waits.count() + full, *sleeps, *window) ||
              accounted(sum.waits.count() + full - 1, *sleeps, *window))
      << sum.waits.count() << " counted, " << full << " lost, " << *sleeps << " made";
  EXPECT_GT(sum.words, 0u);
  EXPECT_LE(sum.words, settings.table_entries);
}

TEST_F(ContentionHooks, FailedCreatesAreCountedByPath) {
  constexpr int kTries = 23;
  ContentionSettings settings;
  settings.failed_creates = true;
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/program.lock";
  const auto source = open_source(settings);
  Actress actress([&] {
    ::close(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600));
    int failed = 0;
    for (int i = 0; i < kTries; ++i) failed += ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600) < 0;
    // What else fails with EEXIST, and what does not fail.
    failed += ::mkdir(path.c_str(), 0700) != 0;
    ::close(::open(path.c_str(), O_CREAT | O_RDWR, 0600));
    return failed == kTries + 1;
  });
  const pid_t pid = actress.pid();
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  std::vector<FailedCreate> found;
  for (const FailedCreate& f : window->failed_creates) {
    if (f.actor.pid == pid) found.push_back(f);
  }
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].path, path);
  EXPECT_EQ(found[0].tries, static_cast<std::uint64_t>(kTries));
  EXPECT_GE(found[0].first_ns, window->begin_ns);
  EXPECT_GE(found[0].last_ns, found[0].first_ns);
}

TEST_F(ContentionHooks, WritesAgainstALock) {
  ContentionSettings settings;
  settings.writes = true;
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/file", free_path = folder.path() + "/free";
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ::close(::open(free_path.c_str(), O_CREAT | O_RDWR, 0600));
  const auto source = open_source(settings);
  // Each write in another tick of the clock makes the inode dirty.
  const auto write = [](const std::string& which, int times) {
    const int own = ::open(which.c_str(), O_WRONLY | O_CLOEXEC);
    const auto tick = [] {
      timespec t{};
      ::clock_gettime(CLOCK_REALTIME_COARSE, &t);
      return t.tv_nsec;
    };
    for (int i = 0; i < times; ++i) {
      for (const long before = tick(); tick() == before;) ::sched_yield();
      if (::write(own, "x", 1) != 1) return false;
    }
    return ::close(own) == 0;
  };
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  ASSERT_TRUE(write(path, 3)) << "by who holds the lock: not against anybody";
  Actress against([&] { return write(path, 5) && write(free_path, 5); });
  const pid_t pid = against.pid();
  ASSERT_TRUE(against.finish());
  ASSERT_EQ(::flock(fd, LOCK_UN), 0);
  Actress later([&] { return write(path, 5); });
  const pid_t later_pid = later.pid();
  ASSERT_TRUE(later.finish());
  ::close(fd);
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  const auto of = [&](pid_t who) {
    return std::ranges::count(window->writes, who, [](const auto& w) { return w.actor.pid; });
  };
  EXPECT_EQ(of(::getpid()), 0);
  EXPECT_EQ(of(later_pid), 0);
  ASSERT_EQ(of(pid), 1);
  const auto it = std::ranges::find(window->writes, pid, [](const auto& w) { return w.actor.pid; });
  EXPECT_GE(it->writes, 5u);
  EXPECT_EQ(it->against_flock, it->writes);
  EXPECT_EQ(it->against_posix, 0u);
  EXPECT_EQ(it->locker, ::getpid());
}

// Read from within a PID namespace: its own numbers; who is outside is lost, not misnamed.
TEST_F(ContentionHooks, ReaderInAnotherPidNamespace) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  ::close(::open(path.c_str(), O_CREAT | O_RDWR, 0600));
  const SharedNumber sleeps;
  const auto use = [&] {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 11; ++i) {
      if (::flock(fd, LOCK_SH) != 0) return false;
    }
    return wait_on_words(4, sleeps);
  };
  int turn[2], reply[2];
  ASSERT_EQ(::pipe(turn), 0);
  ASSERT_EQ(::pipe(reply), 0);
  Actress outer([&] {
    if (::unshare(CLONE_NEWPID) != 0) return false;
    Actress reader([&] {
      const auto source = open_source();
      Actress inside(use);
      const pid_t pid = inside.pid();
      if (pid > 10 || !inside.finish()) return false;
      const std::uint64_t slept = *sleeps;
      char byte = 'x';
      if (::write(reply[1], &byte, 1) != 1 || ::read(turn[0], &byte, 1) != 1) return false;
      const auto window = source->collect();
      if (!window) return false;
      Sum sum;
      sum.add(*window, pid);
      bool only_own = true;
      for (const FileLockUse& u : window->file_locks) only_own = only_own && u.actor.pid <= 10 && u.actor.pid > 0;
      return sum.uses.granted_shared == 11 && accounted(sum.waits.abandoned, slept, *window) && only_own &&
             lost(*window, "outside the PID namespace") >= 11;
    });
    return reader.finish();
  });
  ::close(reply[1]);
  ::close(turn[0]);
  char byte = 0;
  ASSERT_EQ(::read(reply[0], &byte, 1), 1);
  Actress outside(use);
  EXPECT_TRUE(outside.finish());
  ASSERT_EQ(::write(turn[1], "x", 1), 1);
  EXPECT_TRUE(outer.finish());
  for (const int fd : {turn[1], reply[0]}) ::close(fd);
}

}  // namespace
}  // namespace lockscope::test
