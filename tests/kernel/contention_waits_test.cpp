// SPDX-License-Identifier: Apache-2.0
// Waits for words and semaphores, counted by the kernel, against numbers known by construction: whoever lets go does so
// only after the waiter was seen asleep.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <pthread.h>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <ctime>
#include <thread>

#include "tests/kernel/contention_stage.h"

namespace lockscope::test {
namespace {

class ContentionWaits : public ContentionTest {};

constexpr int kRounds = 40;

// One thread waits for the mutex `rounds` times, each time asleep before it is let go.
bool contend(pthread_mutex_t& mutex, int rounds) {
  std::atomic<int> begun = 0, done = 0;
  std::atomic<pid_t> tid = 0;
  pthread_mutex_lock(&mutex);
  std::thread waiter([&] {
    tid = own_tid();
    for (int i = 0; i < rounds; ++i) {
      while (begun == i) ::sched_yield();
      pthread_mutex_lock(&mutex);
      pthread_mutex_unlock(&mutex);
      ++done;
    }
    farewell();
  });
  for (int i = 0; i < rounds; ++i) {
    ++begun;
    while (tid == 0) ::sched_yield();
    await_asleep_in(::getpid(), tid, SYS_futex);
    pthread_mutex_unlock(&mutex);
    while (done == i) ::sched_yield();
    pthread_mutex_lock(&mutex);
  }
  waiter.join();
  pthread_mutex_unlock(&mutex);
  return done == rounds;
}

timespec in_ms(clockid_t clock, long ms) {
  timespec t{};
  ::clock_gettime(clock, &t);
  t.tv_nsec += ms * 1'000'000;
  t.tv_sec += t.tv_nsec / 1'000'000'000;
  t.tv_nsec %= 1'000'000'000;
  return t;
}

const WordWaits* find_word(const ContentionWindow& window, const ContendedLock& lock) {
  const auto it = std::ranges::find(window.words, lock, &WordWaits::lock);
  return it == window.words.end() ? nullptr : &*it;
}

pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;

TEST_F(ContentionWaits, ContendedMutexIsCountedExactly) {
  const auto source = open_source();
  Actress actress([] { return contend(plain, kRounds); });
  const pid_t pid = actress.pid();
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());

  const auto address = reinterpret_cast<std::uint64_t>(&plain);
  const WordWaits* word = find_word(*window, WordOfProcess{pid, address});
  ASSERT_NE(word, nullptr);
  EXPECT_TRUE(accounted(word->waits.acquired, kRounds, *window));
  EXPECT_EQ(word->waits.abandoned, 0u);
  EXPECT_EQ(word->waits.first_abandoned_ns, 0u);
  EXPECT_GT(word->waits.longest_ns, 0u);
  EXPECT_GE(word->waits.total_ns, word->waits.longest_ns);
  EXPECT_NE(word->waits.longest_tid, pid);
  EXPECT_EQ(word->actor.uid, 0u);
  EXPECT_GT(word->actor.start_ns, 0u);
  EXPECT_LE(word->actor.start_ns, window->end_ns);
  EXPECT_EQ(word->actor.comm, "kernel_tests");

  const auto first = std::ranges::find_if(
      window->first_waits, [&](const FirstWait& f) { return f.thread.pid == pid && f.wait.args[0] == address; });
  ASSERT_NE(first, window->first_waits.end());
  EXPECT_EQ(first->wait.syscall, SYS_futex);
  EXPECT_EQ(first->wait.args[2], 2u) << "a mutex waits for the value 2";
  EXPECT_EQ(first->wait.window.low, -kWindowBefore);
  EXPECT_EQ(first->wait.window.high, kWindowAfter);
  EXPECT_EQ(first->wait.libc, LibcKind::glibc);
  EXPECT_EQ(first->wait.shared, std::nullopt);
  EXPECT_EQ(first->thread.uid, 0u);
  EXPECT_EQ(first->thread.id.tid, word->waits.longest_tid);
}

TEST_F(ContentionWaits, TimedOutIsAbandoned) {
  constexpr int kTries = 20;
  const SharedNumber sleeps;
  const auto source = open_source();
  Actress actress([&] {
    pthread_mutex_t& mutex = plain;
    pthread_mutex_lock(&mutex);
    int late = 0;
    std::thread waiter([&] {
      const std::uint64_t before = own_sleeps();
      for (int i = 0; i < kTries; ++i) {
        const timespec until = in_ms(CLOCK_REALTIME, 3);
        late += pthread_mutex_timedlock(&mutex, &until) == ETIMEDOUT;
      }
      *sleeps = own_sleeps() - before;
      farewell();
    });
    waiter.join();
    return late == kTries;
  });
  const pid_t pid = actress.pid();
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  const WordWaits* word = find_word(*window, WordOfProcess{pid, reinterpret_cast<std::uint64_t>(&plain)});
  ASSERT_NE(word, nullptr);
  EXPECT_EQ(word->waits.acquired, 0u);
  EXPECT_TRUE(accounted(word->waits.abandoned, *sleeps, *window));
  EXPECT_GE(word->waits.first_abandoned_ns, window->begin_ns);
  EXPECT_GT(word->waits.last_abandoned_ns, word->waits.first_abandoned_ns);
  EXPECT_LE(word->waits.last_abandoned_ns, window->end_ns);
  for (const LockEvent& event : window->events) {
    if (event.lock != word->lock) continue;
    EXPECT_EQ(event.verb, LockEvent::Verb::abandoned);
    EXPECT_EQ(event.waker_tid, 0);
    EXPECT_GE(event.wait_ns, 1'000'000u);
    EXPECT_LE(event.run_queue_ns, event.wait_ns);
  }
}

TEST_F(ContentionWaits, WakerIsNamed) {
  ContentionSettings settings;
  settings.min_wait = std::chrono::nanoseconds(0);
  const auto source = open_source(settings);
  Actress actress([] { return contend(plain, kRounds); });
  const pid_t pid = actress.pid();
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  int events = 0;
  for (const LockEvent& event : window->events) {
    if (event.lock != ContendedLock(WordOfProcess{pid, reinterpret_cast<std::uint64_t>(&plain)})) continue;
    ++events;
    EXPECT_EQ(event.verb, LockEvent::Verb::acquired);
    EXPECT_EQ(event.waker_pid, pid);
    EXPECT_EQ(event.waker_tid, pid) << "the main thread let go";
    EXPECT_NE(event.tid, pid);
  }
  EXPECT_TRUE(accounted(static_cast<std::uint64_t>(events), kRounds, *window));
}

TEST_F(ContentionWaits, ShortWaitsAreCountedButNotTold) {
  ContentionSettings settings;
  settings.min_wait = std::chrono::hours(1);
  const auto source = open_source(settings);
  Actress actress([] { return contend(plain, kRounds); });
  const pid_t pid = actress.pid();
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  EXPECT_TRUE(window->events.empty());
  const WordWaits* word = find_word(*window, WordOfProcess{pid, reinterpret_cast<std::uint64_t>(&plain)});
  ASSERT_NE(word, nullptr);
  EXPECT_TRUE(accounted(word->waits.count(), kRounds, *window));
}

TEST_F(ContentionWaits, SharedMutexIsOnePlaceForBothProcesses) {
  const int memory = ::memfd_create("lockscope-test", MFD_CLOEXEC);
  ASSERT_EQ(::ftruncate(memory, 8192), 0);
  const auto map = [&] { return ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0); };
  struct Stage {
    pthread_mutex_t mutex;
    std::atomic<pid_t> tid[2];
    std::atomic<int> done;
  };
  auto* stage = reinterpret_cast<Stage*>(static_cast<char*>(map()) + 4096);
  pthread_mutexattr_t shared;
  pthread_mutexattr_init(&shared);
  pthread_mutexattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&stage->mutex, &shared);
  pthread_mutex_lock(&stage->mutex);
  const auto source = open_source();
  // Each maps it once more, so that its own address differs; and stays until it was asked for its maps.
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  const auto wait_for_it = [&](int which) {
    ::close(go[1]);
    auto* own = reinterpret_cast<Stage*>(static_cast<char*>(map()) + 4096);
    own->tid[which] = own_tid();
    pthread_mutex_lock(&own->mutex);
    pthread_mutex_unlock(&own->mutex);
    ++own->done;
    char byte = 0;
    return ::read(go[0], &byte, 1) == 0;
  };
  Actress a([&] { return wait_for_it(0); });
  Actress b([&] { return wait_for_it(1); });
  const pid_t pids[] = {a.pid(), b.pid()};
  for (int i = 0; i < 2; ++i) {
    while (stage->tid[i] == 0) ::sched_yield();
    await_asleep_in(pids[i], stage->tid[i], SYS_futex);
  }
  pthread_mutex_unlock(&stage->mutex);
  while (stage->done != 2) ::sched_yield();
  const auto window = source->collect();
  ::close(go[1]);
  EXPECT_TRUE(a.finish());
  EXPECT_TRUE(b.finish());
  ASSERT_TRUE(window.has_value());
  std::vector<SharedPlace> places;
  for (const WordWaits& word : window->words) {
    if (word.actor.pid != pids[0] && word.actor.pid != pids[1]) continue;
    EXPECT_EQ(word.waits.acquired, word.waits.count());
    ASSERT_TRUE(std::holds_alternative<SharedPlace>(word.lock));
    places.push_back(std::get<SharedPlace>(word.lock));
  }
  ASSERT_EQ(places.size(), 2u);
  EXPECT_EQ(places[0], places[1]);
  EXPECT_EQ(places[0].offset, 4096u);
  for (const FirstWait& first : window->first_waits) {
    if (first.thread.pid != pids[0] && first.thread.pid != pids[1]) continue;
    ASSERT_TRUE(first.wait.shared.has_value());
    EXPECT_EQ(*first.wait.shared, places[0]);
  }
  ::close(go[0]);
  ::close(memory);
  ::munmap(reinterpret_cast<char*>(stage) - 4096, 8192);
}

TEST_F(ContentionWaits, SystemVSemaphores) {
  const int set = ::semget(IPC_PRIVATE, 1, 0600);
  ASSERT_GE(set, 0);
  const SharedNumber sleeps;
  const auto source = open_source();
  constexpr int kLate = 5;
  Actress actress([&] {
    std::atomic<int> begun = 0, done = 0;
    std::atomic<pid_t> tid = 0;
    int late = 0;
    std::thread waiter([&] {
      tid = own_tid();
      sembuf down{0, -1, 0};
      for (int i = 0; i < kRounds; ++i) {
        while (begun == i) ::sched_yield();
        ::semop(set, &down, 1);
        ++done;
      }
      const std::uint64_t before = own_sleeps();
      for (int i = 0; i < kLate; ++i) {
        const timespec soon{0, 2'000'000};
        late += ::semtimedop(set, &down, 1, &soon) != 0 && errno == EAGAIN;
      }
      *sleeps = own_sleeps() - before;
      farewell();
    });
    for (int i = 0; i < kRounds; ++i) {
      ++begun;
      while (tid == 0) ::sched_yield();
      await_asleep_in(::getpid(), tid, SYS_semtimedop);  // glibc's semop too
      sembuf up{0, 1, 0};
      ::semop(set, &up, 1);
      while (done == i) ::sched_yield();
    }
    waiter.join();
    return done == kRounds && late == kLate;
  });
  const pid_t pid = actress.pid();
  EXPECT_TRUE(actress.finish());
  ::semctl(set, 0, IPC_RMID);
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  const auto it = std::ranges::find_if(window->words, [&](const WordWaits& w) {
    return w.actor.pid == pid && w.lock == ContendedLock(static_cast<std::uint64_t>(set));
  });
  ASSERT_NE(it, window->words.end());
  EXPECT_TRUE(accounted(it->waits.acquired, kRounds, *window));
  EXPECT_TRUE(accounted(it->waits.abandoned, *sleeps, *window));
}

// A child that ends signals its parent while it dies: that is no release of what the parent waits for.
TEST_F(ContentionWaits, SignalsAreNoRelease) {
  const auto source = open_source();
  Actress actress([] {
    struct sigaction handler {};
    handler.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &handler, nullptr);
    ::sigaction(SIGCHLD, &handler, nullptr);
    std::atomic<int> word = 0;
    std::atomic<pid_t> tid = 0;
    std::atomic<int> interrupted = 0;
    std::thread waiter([&] {
      tid = own_tid();
      while (interrupted < kRounds) {
        interrupted += ::syscall(SYS_futex, &word, 128, 0, nullptr, nullptr, 0) != 0 && errno == EINTR;
      }
      farewell();
    });
    while (tid == 0) ::sched_yield();
    for (int i = 0; i < kRounds; ++i) {
      await_asleep_in(::getpid(), tid, SYS_futex);
      ::syscall(SYS_tgkill, ::getpid(), tid.load(), SIGUSR1);
      while (interrupted == i) ::sched_yield();
    }
    waiter.join();
    // The main thread, by the death of a child.
    const pid_t self = ::getpid();
    Actress child([&] {
      await_asleep_in(self, self, SYS_futex);
      return true;
    });
    const bool cut = ::syscall(SYS_futex, &word, 128, 0, nullptr, nullptr, 0) != 0 && errno == EINTR;
    farewell();
    return cut;
  });
  const pid_t pid = actress.pid();
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  Sum sum;
  sum.add(*window, pid);
  EXPECT_LE(sum.waits.acquired, 1u) << "at most the join";
  EXPECT_TRUE(accounted(sum.waits.abandoned, kRounds + 1, *window));
}

// Timers go off in the context of whoever runs, also of a thread that is just waking others or ending.
TEST_F(ContentionWaits, TimersAreNoReleaseWhoeverTheyInterrupt) {
  constexpr int kCrowds = 25, kThreads = 10, kWaits = 3;
  const SharedNumber sleeps;
  const auto source = open_source();
  Actress actress([&] {
    static int word = 0;
    for (int crowd = 0; crowd < kCrowds; ++crowd) {
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
          const std::uint64_t before = own_sleeps();
          const timespec soon{0, 2'000'000};
          for (int i = 0; i < kWaits; ++i) ::syscall(SYS_futex, &word, 128, 0, &soon, nullptr, 0);
          *sleeps += own_sleeps() - before;
          farewell();
        });
      }
      for (std::thread& t : threads) t.join();
    }
    *sleeps += reinterpret_cast<std::uint64_t>(&word) << 16;  // where the word is, in the upper bits
    return true;
  });
  const pid_t pid = actress.pid();
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  const WordWaits* word = find_word(*window, WordOfProcess{pid, *sleeps >> 16});
  ASSERT_NE(word, nullptr);
  EXPECT_EQ(word->waits.acquired, 0u);
  EXPECT_TRUE(accounted(word->waits.abandoned, *sleeps & 0xffff, *window));
}

TEST_F(ContentionWaits, EndOfAThreadReleasesWhoJoinsIt) {
  const auto source = open_source();
  Actress actress([] {
    for (int i = 0; i < kRounds; ++i) {
      const pid_t self = ::getpid();
      std::thread ends([self] { await_asleep_in(self, self, SYS_futex); });
      ends.join();
    }
    farewell();
    return true;
  });
  const pid_t pid = actress.pid();
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  Sum sum;
  sum.add(*window, pid);
  EXPECT_TRUE(accounted(sum.waits.acquired, kRounds, *window));
  EXPECT_EQ(sum.waits.abandoned, 0u);
}

TEST_F(ContentionWaits, WhoDoesNotWaitForALockIsNotSeen) {
  const auto source = open_source();
  Actress actress([] {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    for (int i = 0; i < 100'000; ++i) {
      pthread_mutex_lock(&mutex);
      pthread_mutex_unlock(&mutex);
    }
    for (int i = 0; i < 20; ++i) {
      const timespec soon{0, 1'000'000};
      ::nanosleep(&soon, nullptr);
    }
    const int events = ::epoll_create1(0);
    epoll_event event{};
    for (int i = 0; i < 20; ++i) ::epoll_wait(events, &event, 1, 1);
    const int timer = ::timerfd_create(CLOCK_MONOTONIC, 0);
    const itimerspec every{{0, 1'000'000}, {0, 1'000'000}};
    ::timerfd_settime(timer, 0, &every, nullptr);
    std::uint64_t ticks = 0;
    for (int i = 0; i < 20; ++i) {
      if (::read(timer, &ticks, sizeof ticks) != sizeof ticks) return false;
    }
    // Futex calls that return at once: a wake without waiters, a wait for a value that is not there.
    std::atomic<int> word = 1;
    ::syscall(SYS_futex, &word, 129, 1, nullptr, nullptr, 0);
    return ::syscall(SYS_futex, &word, 128, 0, nullptr, nullptr, 0) != 0 && errno == EAGAIN;
  });
  const pid_t pid = actress.pid();
  ASSERT_TRUE(actress.finish());
  const auto window = source->collect();
  ASSERT_TRUE(window.has_value());
  EXPECT_EQ(std::ranges::count(window->words, pid, [](const WordWaits& w) { return w.actor.pid; }), 0);
  EXPECT_EQ(std::ranges::count(window->file_locks, pid, [](const FileLockUse& u) { return u.actor.pid; }), 0);
  EXPECT_EQ(std::ranges::count(window->first_waits, pid, [](const FirstWait& f) { return f.thread.pid; }), 0);
  EXPECT_EQ(std::ranges::count(window->events, pid, &LockEvent::pid), 0);
}

}  // namespace
}  // namespace lockscope::test
