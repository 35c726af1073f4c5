// SPDX-License-Identifier: Apache-2.0
// Operations on file locks, counted by the kernel, against numbers known by construction.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pthread.h>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/kernel/contention_stage.h"
#include "tests/support/command.h"

namespace lockscope::test {
namespace {

class ContentionFileLocksMore : public ContentionTest {};

struct Locker {
  FileLockKind kind;
  const char* name;
  long syscall;
};
void PrintTo(const Locker& locker, std::ostream* out) { *out << locker.name; }

enum class Want { exclusive, shared, none };

// 0, or the error.
int lock(const Locker& locker, int fd, Want want, bool wait) {
  if (locker.kind == FileLockKind::flock) {
    const int operation = want == Want::exclusive ? LOCK_EX : want == Want::shared ? LOCK_SH : LOCK_UN;
    return ::flock(fd, operation | (wait ? 0 : LOCK_NB)) == 0 ? 0 : errno;
  }
  struct flock range {};
  range.l_type = static_cast<short>(want == Want::exclusive ? F_WRLCK : want == Want::shared ? F_RDLCK : F_UNLCK);
  range.l_whence = SEEK_SET;
  const int command =
      locker.kind == FileLockKind::posix ? (wait ? F_SETLKW : F_SETLK) : (wait ? F_OFD_SETLKW : F_OFD_SETLK);
  return ::fcntl(fd, command, &range) == 0 ? 0 : errno;
}

class File {
 public:
  File() : path_(folder_.path() + "/file") {
    ::close(::open(path_.c_str(), O_RDWR | O_CREAT, 0666));
    ::chmod(path_.c_str(), 0666);
  }
  [[nodiscard]] int open(int how = O_RDWR) const { return ::open(path_.c_str(), how | O_CLOEXEC); }
  [[nodiscard]] std::uint64_t inode() const {
    struct stat status {};
    return ::stat(path_.c_str(), &status) == 0 ? status.st_ino : 0;
  }

 private:
  TemporaryFolder folder_;
  std::string path_;
};

class ContentionFileLocks : public ContentionTest, public testing::WithParamInterface<Locker> {};

const FileLockUse* find_use(const ContentionWindow& window, pid_t pid, FileLockKind kind) {
  const auto it = std::ranges::find_if(window.file_locks,
                                       [&](const FileLockUse& u) { return u.actor.pid == pid && u.kind == kind; });
  return it == window.file_locks.end() ? nullptr : &*it;
}

TEST_P(ContentionFileLocks, GrantedRefusedReleasedAndClosedAreCountedExactly) {
  const Locker locker = GetParam();
  constexpr int kExclusive = 30, kShared = 20, kRefused = 17;
  const File file;
  const auto source = open_source();
  Actress holder([&] {
    const int fd = file.open();
    for (int i = 0; i < kExclusive; ++i) {
      if (lock(locker, fd, Want::exclusive, i % 2 == 0) != 0 || lock(locker, fd, Want::none, false) != 0) return false;
    }
    for (int i = 0; i < kShared; ++i) {
      if (lock(locker, fd, Want::shared, true) != 0) return false;
    }
    // Somebody else is refused meanwhile, again and again.
    Actress other([&] {
      const int own = file.open();
      for (int i = 0; i < kRefused; ++i) {
        if (lock(locker, own, Want::exclusive, false) != EWOULDBLOCK) return false;
      }
      return true;
    });
    if (!other.finish()) return false;
    ::close(fd);
    return true;
  });
  const pid_t pid = holder.pid();
  ASSERT_TRUE(holder.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  const FileLockUse* use = find_use(*window, pid, locker.kind);
  ASSERT_NE(use, nullptr);
  EXPECT_EQ(use->file.ino, file.inode());
  EXPECT_EQ(use->granted_exclusive, static_cast<std::uint64_t>(kExclusive));
  EXPECT_EQ(use->granted_shared, static_cast<std::uint64_t>(kShared));
  EXPECT_EQ(use->released, static_cast<std::uint64_t>(kExclusive));
  EXPECT_EQ(use->failed + use->contended + use->deadlocks + use->errors, 0u);
  EXPECT_EQ(use->waits.count(), 0u);
  EXPECT_FALSE(use->readonly);
  EXPECT_GT(use->last_granted_ns + 100'000'000, window->begin_ns) << "a clock of ticks";
  EXPECT_LE(use->last_granted_ns, window->end_ns);
  EXPECT_GE(use->last_granted_ns, use->last_released_ns);
  EXPECT_EQ(use->closed, 1u);

  const auto refused = std::ranges::find_if(window->file_locks, [&](const FileLockUse& u) {
    return u.actor.pid != pid && u.file == use->file && u.kind == locker.kind && u.failed != 0;
  });
  ASSERT_NE(refused, window->file_locks.end());
  EXPECT_EQ(refused->failed, static_cast<std::uint64_t>(kRefused));
  EXPECT_EQ(refused->granted_exclusive + refused->granted_shared + refused->contended, 0u);
  EXPECT_GE(refused->last_failed_ns, refused->first_failed_ns);
  EXPECT_GT(refused->first_failed_ns, 0u);
}

// Has the lock from its making until it is told to end.
class Holder {
 public:
  Holder(const File& file, const Locker& locker) {
    int ready[2], end[2];
    if (::pipe(ready) != 0 || ::pipe(end) != 0) throw std::runtime_error("pipe");
    end_ = end[1];
    actress_.emplace([&] {
      const int fd = file.open();
      if (lock(locker, fd, Want::exclusive, true) != 0) return false;
      char byte = 'x';
      return ::write(ready[1], &byte, 1) == 1 && ::read(end[0], &byte, 1) == 1;
    });
    char byte = 0;
    if (::read(ready[0], &byte, 1) != 1) throw std::runtime_error("no holder");
    for (const int fd : {ready[0], ready[1], end[0]}) ::close(fd);
  }
  ~Holder() { ::close(end_); }
  bool finish() { return ::write(end_, "x", 1) == 1 && actress_->finish(); }
  [[nodiscard]] pid_t pid() const { return actress_->pid(); }

 private:
  int end_ = -1;
  std::optional<Actress> actress_;
};

TEST_P(ContentionFileLocks, WaitEndsByTheHoldersEnd) {
  const Locker locker = GetParam();
  ContentionSettings settings;
  settings.min_wait = std::chrono::nanoseconds(0);
  const File file;
  Holder holder(file, locker);
  const pid_t holder_pid = holder.pid();
  const auto source = open_source(settings);
  Actress waiter([&] {
    const int fd = file.open();
    return lock(locker, fd, Want::exclusive, true) == 0;
  });
  const pid_t pid = waiter.pid();
  await_asleep_in(pid, pid, locker.syscall);
  // It waits across a border: counted where it ends.
  const auto before = source->collect();
  ASSERT_TRUE(before.has_value());
  ASSERT_TRUE(holder.finish());
  ASSERT_TRUE(waiter.finish());
  const auto after = source->collect();
  ASSERT_TRUE(after.has_value());

  const FileLockUse* early = find_use(*before, pid, locker.kind);
  ASSERT_NE(early, nullptr);
  EXPECT_EQ(early->contended, 1u);
  EXPECT_EQ(early->waits.count(), 0u);
  EXPECT_EQ(early->granted_exclusive, 0u);
  const FileLockUse* late = find_use(*after, pid, locker.kind);
  ASSERT_NE(late, nullptr);
  EXPECT_EQ(late->contended, 0u);
  EXPECT_EQ(late->granted_exclusive, 1u);
  EXPECT_EQ(late->waits.acquired, 1u);
  EXPECT_EQ(late->waits.abandoned, 0u);
  EXPECT_EQ(late->waits.longest_tid, pid);
  EXPECT_GE(late->waits.longest_ns, after->begin_ns - before->end_ns);
  const auto event = std::ranges::find(after->events, pid, &LockEvent::pid);
  ASSERT_NE(event, after->events.end());
  EXPECT_EQ(event->verb, LockEvent::Verb::acquired);
  EXPECT_EQ(event->lock, ContendedLock(LockOfFile{late->file, locker.kind == FileLockKind::flock}));
  EXPECT_EQ(event->waker_pid, holder_pid);
  EXPECT_EQ(event->wait_ns, late->waits.longest_ns);
}

TEST_P(ContentionFileLocks, InterruptedAndKilledWaitsAreAbandoned) {
  const Locker locker = GetParam();
  constexpr int kTries = 12;
  const File file;
  Holder holder(file, locker);
  const auto source = open_source();
  Actress waiter([&] {
    struct sigaction handler {};
    handler.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &handler, nullptr);  // without SA_RESTART
    std::atomic<int> interrupted = 0;
    std::atomic<pid_t> tid = 0;
    std::thread thread([&] {
      tid = own_tid();
      const int fd = file.open();
      while (interrupted < kTries) interrupted += lock(locker, fd, Want::exclusive, true) == EINTR;
      farewell();
    });
    while (tid == 0) ::sched_yield();
    for (int i = 0; i < kTries; ++i) {
      await_asleep_in(::getpid(), tid, locker.syscall);
      ::syscall(SYS_tgkill, ::getpid(), tid.load(), SIGUSR1);
      while (interrupted == i) ::sched_yield();
    }
    thread.join();
    return interrupted == kTries;
  });
  const pid_t pid = waiter.pid();
  ASSERT_TRUE(waiter.finish());
  Actress killed([&] { return lock(locker, file.open(), Want::shared, true) == 0; });
  const pid_t killed_pid = killed.pid();
  await_asleep_in(killed_pid, killed_pid, locker.syscall);
  killed.kill_and_reap();
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  const FileLockUse* use = find_use(*window, pid, locker.kind);
  ASSERT_NE(use, nullptr);
  EXPECT_EQ(use->contended, static_cast<std::uint64_t>(kTries));
  EXPECT_TRUE(accounted(use->waits.abandoned, kTries, *window));
  EXPECT_EQ(use->waits.acquired, 0u);
  EXPECT_EQ(use->granted_exclusive + use->granted_shared + use->failed, 0u);
  EXPECT_GT(use->waits.last_abandoned_ns, use->waits.first_abandoned_ns);
  const FileLockUse* cut = find_use(*window, killed_pid, locker.kind);
  ASSERT_NE(cut, nullptr);
  EXPECT_EQ(cut->contended, 1u);
  EXPECT_EQ(cut->waits.abandoned, 1u);
}

TEST_P(ContentionFileLocks, ReadOnlyDescriptorIsNoted) {
  const Locker locker = GetParam();
  const File file;
  const auto source = open_source();
  Actress actress([&] { return lock(locker, file.open(O_RDONLY), Want::shared, true) == 0; });
  const pid_t pid = actress.pid();
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  const FileLockUse* use = find_use(*window, pid, locker.kind);
  ASSERT_NE(use, nullptr);
  EXPECT_TRUE(use->readonly);
}

INSTANTIATE_TEST_SUITE_P(, ContentionFileLocks,
                         testing::Values(Locker{FileLockKind::flock, "flock", SYS_flock},
                                         Locker{FileLockKind::posix, "posix", SYS_fcntl},
                                         Locker{FileLockKind::ofd, "ofd", SYS_fcntl}),
                         [](const auto& test) { return std::string(test.param.name); });

constexpr Locker kFlock{FileLockKind::flock, "flock", SYS_flock};
constexpr Locker kPosix{FileLockKind::posix, "posix", SYS_fcntl};

TEST_F(ContentionFileLocksMore, DeadlockThatTheKernelRefuses) {
  const File first, second;
  const auto source = open_source();
  // Each holds one and asks for the other's: the second to ask is refused.
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  Actress one([&] {
    const int a = first.open(), b = second.open();
    if (lock(kPosix, a, Want::exclusive, true) != 0) return false;
    char byte = 0;
    return ::read(go[0], &byte, 1) == 1 && lock(kPosix, b, Want::exclusive, true) == 0;
  });
  const pid_t one_pid = one.pid();
  await_asleep_in(one_pid, one_pid, SYS_read);
  Actress two([&] {
    const int a = first.open(), b = second.open();
    if (lock(kPosix, b, Want::exclusive, true) != 0 || ::write(go[1], "x", 1) != 1) return false;
    await_asleep_in(one_pid, one_pid, SYS_fcntl);
    return lock(kPosix, a, Want::exclusive, true) == EDEADLK;
  });
  const pid_t two_pid = two.pid();
  EXPECT_TRUE(two.finish());
  EXPECT_TRUE(one.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  Sum sum;
  sum.add(*window, two_pid);
  EXPECT_EQ(sum.uses.deadlocks, 1u);
  EXPECT_EQ(sum.uses.contended, 0u);
  ::close(go[0]);
  ::close(go[1]);
}

// Windows are taken as fast as can be while threads lock and unlock: nothing is counted twice or not at all.
TEST_F(ContentionFileLocksMore, WindowsAddUpExactlyUnderLoad) {
  constexpr int kThreads = 4;
  const int pairs = number_from_environment("LOCKSCOPE_SLOW_HOST", 0) != 0 ? 3'000 : 120'000;
  const File file;
  const auto source = open_source();
  Actress actress([&] {
    std::vector<std::thread> threads;
    std::atomic<bool> good = true;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        const int fd = file.open();
        for (int i = 0; i < pairs; ++i) {
          if (lock(kFlock, fd, Want::shared, true) != 0 || lock(kFlock, fd, Want::none, true) != 0) good = false;
        }
      });
    }
    for (std::thread& t : threads) t.join();
    return good.load();
  });
  const pid_t pid = actress.pid();
  Sum sum;
  int windows = 0;
  std::uint64_t end_ns = 0;
  std::atomic<bool> ended = false;
  bool good = false;
  std::thread reaper([&] {
    good = actress.finish();
    ended = true;
  });
  for (bool last = false; !last;) {
    last = ended;
    const auto window = source->collect();
    ASSERT_TRUE(window.has_value());
    EXPECT_TRUE(end_ns == 0 || window->begin_ns == end_ns);
    end_ns = window->end_ns;
    sum.add(*window, pid);
    ++windows;
  }
  reaper.join();
  ASSERT_TRUE(good);
  EXPECT_GE(windows, 2);
  const auto all = static_cast<std::uint64_t>(kThreads) * static_cast<std::uint64_t>(pairs);
  // Where the kernel lets programs be preempted (7.2), it skips those that another run of the same stands in the way of.
  const std::uint64_t skipped = sum.lost["not run by the kernel: contention_flock"];
  EXPECT_EQ(sum.lost["file-lock table full"], 0u);
  EXPECT_LE(sum.uses.granted_shared, all);
  EXPECT_LE(sum.uses.released, all);
  EXPECT_LE(2 * all - sum.uses.granted_shared - sum.uses.released, skipped);
}

// What does not fit is lost, by number; and an ordinary user takes no place from the host's own.
TEST_F(ContentionFileLocksMore, FullTableLosesByNumber) {
  constexpr int kFiles = 200;
  constexpr uid_t kOrdinary = 54321;
  ContentionSettings settings;
  settings.table_entries = 32;
  const TemporaryFolder folder;
  const auto flood = [&] {
    for (int i = 0; i < kFiles; ++i) {
      const std::string path = folder.path() + "/" + std::to_string(i);
      const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
      if (lock(kFlock, fd, Want::exclusive, true) != 0 || lock(kFlock, fd, Want::none, true) != 0) return false;
      ::close(fd);
    }
    return true;
  };
  const auto source = open_source(settings);
  Actress ordinary(flood, kOrdinary);
  const pid_t pid = ordinary.pid();
  ASSERT_TRUE(ordinary.finish());
  const File file;
  Actress own([&] { return lock(kFlock, file.open(), Want::exclusive, true) == 0; });
  const pid_t own_pid = own.pid();
  ASSERT_TRUE(own.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  Sum sum;
  sum.add(*window, pid);
  const std::uint64_t counted = sum.uses.granted_exclusive + sum.uses.released;
  EXPECT_EQ(counted + lost(*window, "file-lock table full (ordinary users)"), 2u * kFiles);
  EXPECT_GT(counted, 0u);
  EXPECT_LE(counted, 2u * settings.table_entries);
  EXPECT_EQ(lost(*window, "file-lock table full"), 0u);
  EXPECT_NE(find_use(*window, own_pid, FileLockKind::flock), nullptr);
}

}  // namespace
}  // namespace lockscope::test
