// SPDX-License-Identifier: Apache-2.0
// Waits and holds of a known least length, chains, deep nesting and misuse, as the lock tracer tells them. With
// sessions, and as on kernels that have none.
#include <gtest/gtest.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <functional>
#include <numeric>
#include <thread>

#include "lockscope/full_wire.h"
#include "tests/kernel/contention_stage.h"
#include "tests/kernel/tracer_stage.h"

namespace lockscope::test {
namespace {

// The parameter: with sessions.
class LockTracerWaits : public LockTracerTest, public testing::WithParamInterface<bool> {
 protected:
  static TracerSettings settings() { return {.sessions = GetParam()}; }
};

INSTANTIATE_TEST_SUITE_P(, LockTracerWaits, testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "Sessions" : "NoSessions"; });

// Locks of the traced lie where they lie here: it is a fork.
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;
pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
sem_t semaphore;

constexpr int kWaits = 8;
constexpr auto kHold = std::chrono::milliseconds(5);

// The other thread holds the lock, until the waiter sleeps and then for `kHold`, each time.
void wait_for_each(const std::function<void()>& hold, const std::function<void()>& give,
                   const std::function<void()>& take, const std::function<void()>& let_go) {
  std::atomic<int> held = 0, done = 0;
  std::atomic<pid_t> tid = 0;
  std::thread waiter([&] {
    tid = own_tid();
    for (int i = 0; i < kWaits; ++i) {
      while (held == i) ::sched_yield();
      take();
      let_go();
      ++done;
    }
  });
  while (tid == 0) ::sched_yield();
  for (int i = 0; i < kWaits; ++i) {
    hold();
    ++held;
    await_asleep_in(::getpid(), tid, SYS_futex);
    std::this_thread::sleep_for(kHold);
    give();
    while (done == i) ::sched_yield();
  }
  waiter.join();
}

std::uint64_t longer_than_hold(const Durations& times) {
  const auto bucket =
      static_cast<std::size_t>(std::bit_width(std::uint64_t{std::chrono::nanoseconds(kHold).count()}) - 1);
  return std::accumulate(times.histogram.begin() + static_cast<std::ptrdiff_t>(bucket), times.histogram.end(),
                         std::uint64_t{0});
}

constexpr std::uint64_t kHoldNs = static_cast<std::uint64_t>(std::chrono::nanoseconds(kHold).count());

void expect_waits(const LockTrace& trace, const void* lock, bool one_mode, Mode held, Mode wanted) {
  const UseOf waits = use_of(trace, lock, wanted);
  EXPECT_EQ(waits.contended, kWaits);
  EXPECT_EQ(waits.wait.count, kWaits);
  EXPECT_GE(waits.wait.total_ns, kWaits * kHoldNs);
  EXPECT_EQ(longer_than_hold(waits.wait), kWaits);
  const UseOf holds = use_of(trace, lock, held);
  EXPECT_GE(holds.hold.total_ns, kWaits * kHoldNs);
  EXPECT_EQ(longer_than_hold(holds.hold), kWaits) << "the waiter lets go at once";
  EXPECT_EQ(use_of(trace, lock).acquired, 2u * kWaits);
  if (!one_mode) {
    EXPECT_EQ(holds.contended, 0u);
  }
  EXPECT_EQ(misuses_in(trace), "");
  EXPECT_EQ(lost_in(trace), 0u);
  EXPECT_TRUE(sane(trace));
  std::uint64_t waited = 0, counted = 0;
  for (const TracedThread& thread : trace.threads) waited += thread.waits, counted += thread.waited_ns;
  EXPECT_GE(waited, static_cast<std::uint64_t>(kWaits));
  EXPECT_GE(counted, waits.wait.total_ns);
}

TEST_P(LockTracerWaits, MeasuresWaitsAndHoldsOfMutexes) {
  static pthread_mutex_t inherited, robust;
  make_mutex(inherited, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT);
  make_mutex(robust, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
  for (pthread_mutex_t* lock : {&mutex, &inherited, &robust}) {
    const LockTrace trace = trace_of(
        [lock] {
          const auto take = [lock] { ::pthread_mutex_lock(lock); };
          const auto let_go = [lock] { ::pthread_mutex_unlock(lock); };
          wait_for_each(take, let_go, take, let_go);
        },
        settings());
    expect_waits(trace, lock, true, Mode::exclusive, Mode::exclusive);
  }
}

TEST_P(LockTracerWaits, MeasuresTimedWaitsThatSucceed) {
  const LockTrace trace = trace_of(
      [] {
        const auto timed = [] {
          timespec until{};
          ::clock_gettime(CLOCK_REALTIME, &until);
          until.tv_sec += 60;
          require(::pthread_mutex_timedlock(&mutex, &until) == 0);
        };
        const auto let_go = [] { ::pthread_mutex_unlock(&mutex); };
        wait_for_each([] { ::pthread_mutex_lock(&mutex); }, let_go, timed, let_go);
      },
      settings());
  expect_waits(trace, &mutex, true, Mode::exclusive, Mode::exclusive);
}

TEST_P(LockTracerWaits, MeasuresReadersThatWaitForAWriterAndViceVersa) {
  const auto read = [] { ::pthread_rwlock_rdlock(&rwlock); };
  const auto write = [] { ::pthread_rwlock_wrlock(&rwlock); };
  const auto let_go = [] { ::pthread_rwlock_unlock(&rwlock); };
  expect_waits(trace_of([&] { wait_for_each(write, let_go, read, let_go); }, settings()), &rwlock, false,
               Mode::exclusive, Mode::shared);
  expect_waits(trace_of([&] { wait_for_each(read, let_go, write, let_go); }, settings()), &rwlock, false, Mode::shared,
               Mode::exclusive);
}

TEST_P(LockTracerWaits, MeasuresWaitsForSemaphores) {
  ::sem_init(&semaphore, 0, 0);
  const LockTrace trace = trace_of(
      [] { wait_for_each([] {}, [] { ::sem_post(&semaphore); }, [] { ::sem_wait(&semaphore); }, [] {}); }, settings());
  const UseOf use = use_of(trace, &semaphore);
  EXPECT_EQ(use.acquired, kWaits);
  EXPECT_EQ(use.contended, kWaits);
  EXPECT_EQ(longer_than_hold(use.wait), kWaits);
  EXPECT_TRUE(sane(trace));
}

TEST_P(LockTracerWaits, TellsLongHolds) {
  TracerSettings long_ones = settings();
  long_ones.long_hold = kHold;
  const LockTrace trace = trace_of(
      [] {
        for (int i = 0; i < 20; ++i) {
          ::pthread_mutex_lock(&mutex);
          if (i % 5 == 0) std::this_thread::sleep_for(2 * kHold);
          ::pthread_mutex_unlock(&mutex);
        }
      },
      long_ones);
  std::size_t slept = 0;
  for (const LongHold& hold : trace.long_holds) {
    EXPECT_EQ(hold.lock.address, reinterpret_cast<std::uint64_t>(&mutex));
    EXPECT_GE(hold.held_ns, kHoldNs);
    EXPECT_FALSE(hold.waiters);
    slept += hold.held_ns >= 2 * kHoldNs;
  }
  EXPECT_GE(slept, 4u);
}

TEST_P(LockTracerWaits, KnowsAHundredAndTwentyEightHeldLocks) {
  static std::array<pthread_mutex_t, 150> many;
  many.fill(PTHREAD_MUTEX_INITIALIZER);
  const LockTrace trace = trace_of(
      [] {
        for (const bool backwards : {false, true}) {
          for (pthread_mutex_t& one : many) ::pthread_mutex_lock(&one);
          for (std::size_t i = 0; i < many.size(); ++i) {
            ::pthread_mutex_unlock(&many[backwards ? many.size() - 1 - i : i]);
          }
        }
        for (int i = 0; i < 10; ++i) {
          ::pthread_mutex_lock(&mutex);
          ::pthread_mutex_lock(&many[149]);
          ::pthread_mutex_unlock(&many[149]);
          ::pthread_mutex_unlock(&mutex);
        }
      },
      settings());
  std::uint64_t counted = 0;
  for (const pthread_mutex_t& one : many) counted += use_of(trace, &one).acquired;
  EXPECT_EQ(counted, 2u * LS_FULL_HELD + 10);
  EXPECT_EQ(lost_in(trace), 2u * (150 - LS_FULL_HELD));
  EXPECT_TRUE(trace.lost.contains("locks held: more than 128 by one thread"));
  EXPECT_EQ(use_of(trace, &mutex).acquired, 10u);
  EXPECT_EQ(misuses_in(trace), "");
  const auto last = std::ranges::find_if(trace.chains, [](const LockChain& chain) {
    return chain.held.size() == 1 && chain.held[0].lock.address == reinterpret_cast<std::uint64_t>(&mutex);
  });
  ASSERT_NE(last, trace.chains.end());
  EXPECT_EQ(last->count, 10u);
  EXPECT_FALSE(last->truncated);
  EXPECT_TRUE(sane(trace));
}

TEST_P(LockTracerWaits, TellsChainsOnceAndCountsThem) {
  const LockTrace trace = trace_of(
      [] {
        for (int i = 0; i < 25; ++i) {
          ::pthread_mutex_lock(&mutex);
          ::pthread_rwlock_rdlock(&rwlock);
          ::pthread_mutex_lock(&other);
          ::pthread_mutex_unlock(&other);
          require(::pthread_mutex_trylock(&other) == 0);  // makes no chain
          ::pthread_mutex_unlock(&other);
          ::pthread_rwlock_unlock(&rwlock);
          ::pthread_mutex_unlock(&mutex);
        }
      },
      settings());
  ASSERT_EQ(trace.chains.size(), 2u);
  const LockChain& first = trace.chains[0];
  const LockChain& second = trace.chains[1];
  EXPECT_EQ(first.wanted.lock.address, reinterpret_cast<std::uint64_t>(&rwlock));
  EXPECT_EQ(first.wanted.mode, Mode::shared);
  ASSERT_EQ(first.held.size(), 1u);
  EXPECT_EQ(first.held[0].lock.address, reinterpret_cast<std::uint64_t>(&mutex));
  EXPECT_EQ(second.wanted.lock.address, reinterpret_cast<std::uint64_t>(&other));
  ASSERT_EQ(second.held.size(), 2u);
  EXPECT_EQ(second.held[0].lock.address, reinterpret_cast<std::uint64_t>(&mutex));
  EXPECT_EQ(second.held[1].lock.address, reinterpret_cast<std::uint64_t>(&rwlock));
  for (const LockChain& chain : trace.chains) {
    EXPECT_EQ(chain.count, 25u);
    EXPECT_LT(chain.first_ns, chain.last_ns);
  }
  EXPECT_TRUE(sane(trace));
}

void* end_holding(void* lock) {
  ::pthread_mutex_lock(static_cast<pthread_mutex_t*>(lock));
  return nullptr;
}

void misuse_everything() {
  static pthread_mutex_t checked, stays, twice, foreign, tried, gone;
  make_mutex(checked, PTHREAD_MUTEX_ERRORCHECK);
  for (pthread_mutex_t* made : {&stays, &twice, &foreign, &tried, &gone}) make_mutex(*made, PTHREAD_MUTEX_NORMAL);
  ::pthread_mutex_lock(&checked);
  require(::pthread_mutex_lock(&checked) == EDEADLK);
  ::pthread_mutex_unlock(&checked);
  ::pthread_mutex_lock(&twice);
  ::pthread_mutex_unlock(&twice);
  ::pthread_mutex_unlock(&twice);
  static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER;
  ::pthread_mutex_unlock(&never);
  {
    const HeldByAnother held([] { ::pthread_mutex_lock(&foreign); }, [] {});
    ::pthread_mutex_unlock(&foreign);
  }
  {
    std::atomic<int> step = 0;
    std::thread holder([&] {
      ::pthread_mutex_lock(&tried);
      step = 1;
      while (step == 1) ::usleep(100);
    });
    while (step == 0) ::usleep(100);
    require(::pthread_mutex_trylock(&tried) == EBUSY);
    ::pthread_mutex_unlock(&tried);  // as if it had it
    step = 2;
    holder.join();
  }
  ::pthread_mutex_lock(&gone);
  ::pthread_mutex_destroy(&gone);
  pthread_t thread{};
  ::pthread_create(&thread, nullptr, &end_holding, &stays);
  ::pthread_join(thread, nullptr);
}

TEST_P(LockTracerWaits, TellsMisuse) {
  Traced traced(&misuse_everything);
  const auto tracer = follow(traced, settings());
  traced.begin();
  update_until(*tracer, [&] { return traced.done(); });
  const LockTrace trace = trace_when(*tracer, [](const LockTrace& now) {
    return std::ranges::any_of(now.misuses,
                               [](const LockMisuse& m) { return m.kind == MisuseKind::exit_while_holding; });
  });
  EXPECT_EQ(misuses_in(trace),
            "destroyed_while_locked 1, double_unlock 1, exit_while_holding 1, ignored_lock_failure 1, relock 1, "
            "unlock_not_locked 1, unlock_not_owner 1");
  for (const LockMisuse& misuse : trace.misuses) {
    EXPECT_FALSE(misuse.still_waiting);
    if (misuse.kind == MisuseKind::relock) {
      EXPECT_EQ(misuse.error, EDEADLK);
      EXPECT_EQ(misuse.lock_kind, LockKind::errorcheck_mutex);
    }
    if (misuse.kind == MisuseKind::ignored_lock_failure) {
      EXPECT_EQ(misuse.error, EBUSY);
    }
    if (misuse.kind == MisuseKind::exit_while_holding || misuse.kind == MisuseKind::relock) {
      ASSERT_TRUE(misuse.earlier_ns);
      EXPECT_LE(*misuse.earlier_ns, misuse.time_ns);
      EXPECT_TRUE(misuse.earlier_site);
      EXPECT_EQ(misuse.site == 0, misuse.kind == MisuseKind::exit_while_holding);
    }
  }
}

// The relock of a mutex that does not forbid it waits, for good or until a time-out.
TEST_P(LockTracerWaits, TellsARelockThatStillWaits) {
  static pthread_mutex_t plain, timed;
  make_mutex(plain, PTHREAD_MUTEX_NORMAL);
  make_mutex(timed, PTHREAD_MUTEX_NORMAL);
  const SharedNumbers numbers;
  Traced traced([&] {
    ::pthread_mutex_lock(&timed);
    require(::pthread_mutex_timedlock(&timed, &kPast) == ETIMEDOUT);
    ::pthread_mutex_unlock(&timed);
    numbers[0] = 1;
    ::pthread_mutex_lock(&plain);
    ::pthread_mutex_lock(&plain);
  });
  const auto tracer = follow(traced, settings());
  traced.begin();
  const LockTrace trace = trace_when(*tracer, [](const LockTrace& now) { return now.misuses.size() == 2; });
  EXPECT_EQ(misuses_in(trace), "relock 2");
  EXPECT_EQ(trace.misuses[0].lock.address, reinterpret_cast<std::uint64_t>(&timed));
  EXPECT_FALSE(trace.misuses[0].still_waiting);
  EXPECT_EQ(trace.misuses[0].error, ETIMEDOUT);
  EXPECT_EQ(trace.misuses[1].lock.address, reinterpret_cast<std::uint64_t>(&plain));
  EXPECT_TRUE(trace.misuses[1].still_waiting);
  EXPECT_EQ(trace.misuses[1].error, std::nullopt);
  EXPECT_TRUE(sane(trace));
}

}  // namespace
}  // namespace lockscope::test
