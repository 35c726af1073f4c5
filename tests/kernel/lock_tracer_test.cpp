// SPDX-License-Identifier: Apache-2.0
// What the lock tracer counts, against numbers known by construction: every kind of lock and every way to take it. With
// sessions, and as on kernels that have none.
#include "source/lock_tracer.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <semaphore.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <map>
#include <thread>
#include <vector>

#include "tests/kernel/tracer_stage.h"
#include "tests/support/command.h"

namespace lockscope::test {
namespace {

// The parameter: with sessions.
class LockTracing : public LockTracerTest, public testing::WithParamInterface<bool> {
 protected:
  static TracerSettings settings() { return {.sessions = GetParam()}; }
};

INSTANTIATE_TEST_SUITE_P(, LockTracing, testing::Bool(),
                         [](const auto& parameter) { return parameter.param ? "Sessions" : "NoSessions"; });

// Locks of the traced lie where they lie here: it is a fork.
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t other = PTHREAD_MUTEX_INITIALIZER;
pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
pthread_spinlock_t spin;
sem_t semaphore;
pthread_barrier_t barrier;

std::vector<LockKind> only(LockKind kind) { return {kind}; }

// Eight threads: nine of ten acquisitions of a mutex of their own, the tenth of one that all share.
std::array<pthread_mutex_t, 8> own;

void take_in_eight_threads(std::uint64_t each) {
  std::vector<std::thread> threads;
  for (pthread_mutex_t& mine : own) {
    threads.emplace_back([&mine, each] {
      for (std::uint64_t i = 0; i < each; ++i) {
        pthread_mutex_t& taken = i % 10 == 0 ? mutex : mine;
        ::pthread_mutex_lock(&taken);
        ::pthread_mutex_unlock(&taken);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void expect_all_counted(std::uint64_t each, bool sessions) {
  own.fill(PTHREAD_MUTEX_INITIALIZER);
  const LockTrace trace = trace_of([each] { take_in_eight_threads(each); }, {.sessions = sessions});
  const std::uint64_t shared = (each + 9) / 10;
  const UseOf all = use_of(trace, &mutex);
  std::uint64_t counted = all.acquired;
  EXPECT_LE(all.acquired, 8 * shared);
  for (const pthread_mutex_t& mine : own) {
    const UseOf use = use_of(trace, &mine);
    EXPECT_LE(use.acquired, each - shared);
    EXPECT_EQ(use.contended, 0u);
    counted += use.acquired;
  }
  EXPECT_EQ(counted + lost_in(trace), 8 * each);
  EXPECT_EQ(misuses_in(trace), "");
  EXPECT_TRUE(trace.chains.empty()) << "nobody held two";
  EXPECT_TRUE(sane(trace));
}

TEST_P(LockTracing, CountsEveryAcquisitionOfEightThreads) { expect_all_counted(5'000, GetParam()); }

// In thousands: 10,000 are ten million.
TEST_P(LockTracing, CountsACrowdOfAcquisitions) {
  const int thousands = number_from_environment("LOCKSCOPE_TRACER_THOUSANDS", GetParam() ? 1'000 : 300);
  expect_all_counted(static_cast<std::uint64_t>(thousands) * 125, GetParam());
}

TEST_P(LockTracing, TellsModesOfRwlocks) {
  const LockTrace trace = trace_of(
      [] {
        for (int i = 0; i < 100; ++i) {
          ::pthread_rwlock_rdlock(&rwlock);
          ::pthread_rwlock_unlock(&rwlock);
        }
        for (int i = 0; i < 50; ++i) {
          ::pthread_rwlock_wrlock(&rwlock);
          ::pthread_rwlock_unlock(&rwlock);
        }
        for (int i = 0; i < 7; ++i) {
          require(::pthread_rwlock_tryrdlock(&rwlock) == 0);
          ::pthread_rwlock_unlock(&rwlock);
          require(::pthread_rwlock_timedrdlock(&rwlock, &kPast) == 0);
          ::pthread_rwlock_unlock(&rwlock);
        }
        for (int i = 0; i < 5; ++i) {
          require(::pthread_rwlock_trywrlock(&rwlock) == 0);
          ::pthread_rwlock_unlock(&rwlock);
          require(::pthread_rwlock_timedwrlock(&rwlock, &kPast) == 0);
          ::pthread_rwlock_unlock(&rwlock);
        }
        // Read by one thread more than once at a time.
        for (int i = 0; i < 10; ++i) {
          ::pthread_rwlock_rdlock(&rwlock);
          ::pthread_rwlock_rdlock(&rwlock);
          require(::pthread_rwlock_tryrdlock(&rwlock) == 0);
          for (int j = 0; j < 3; ++j) ::pthread_rwlock_unlock(&rwlock);
        }
      },
      settings());
  const UseOf read = use_of(trace, &rwlock, Mode::shared);
  const UseOf written = use_of(trace, &rwlock, Mode::exclusive);
  EXPECT_EQ(read.acquired, 100u + 14 + 30);
  EXPECT_EQ(written.acquired, 50u + 10);
  EXPECT_EQ(read.contended + written.contended, 0u);
  EXPECT_EQ(read.failed + written.failed, 0u);
  EXPECT_EQ(read.hold.count, 100u + 14 + 10) << "a share taken thrice is held once";
  EXPECT_EQ(read.kinds, only(LockKind::rwlock));
  EXPECT_EQ(written.kinds, only(LockKind::rwlock));
  EXPECT_EQ(misuses_in(trace), "");
  EXPECT_EQ(lost_in(trace), 0u);
  EXPECT_TRUE(sane(trace));
}

TEST_P(LockTracing, TellsKindsOfMutexes) {
  static std::array<pthread_mutex_t, 6> mutexes;
  const LockTrace trace = trace_of(
      [] {
        make_mutex(mutexes[0], PTHREAD_MUTEX_NORMAL);
        make_mutex(mutexes[1], PTHREAD_MUTEX_RECURSIVE);
        make_mutex(mutexes[2], PTHREAD_MUTEX_ERRORCHECK);
        make_mutex(mutexes[3], PTHREAD_MUTEX_ADAPTIVE_NP);
        make_mutex(mutexes[4], PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT);
        make_mutex(mutexes[5], PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
        for (pthread_mutex_t& taken : mutexes) {
          for (int i = 0; i < 10; ++i) {
            require(::pthread_mutex_lock(&taken) == 0 && ::pthread_mutex_unlock(&taken) == 0);
            require(::pthread_mutex_trylock(&taken) == 0 && ::pthread_mutex_unlock(&taken) == 0);
            require(::pthread_mutex_timedlock(&taken, &kPast) == 0 && ::pthread_mutex_unlock(&taken) == 0);
          }
          ::pthread_mutex_destroy(&taken);
        }
      },
      settings());
  constexpr std::array kinds{LockKind::mutex,          LockKind::recursive_mutex, LockKind::errorcheck_mutex,
                             LockKind::adaptive_mutex, LockKind::pi_mutex,        LockKind::robust_mutex};
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const UseOf use = use_of(trace, &mutexes[i]);
    EXPECT_EQ(use.acquired, 30u) << i;
    EXPECT_EQ(use.failed + use.contended, 0u) << i;
    EXPECT_EQ(use.hold.count, 30u) << i;
    EXPECT_EQ(use.kinds, only(kinds[i])) << i;
    const auto lives = std::ranges::count(trace.lives, reinterpret_cast<std::uint64_t>(&mutexes[i]),
                                          [](const LockLife& life) { return life.lock.address; });
    EXPECT_EQ(lives, 2) << i << ": made and destroyed";
  }
  EXPECT_EQ(misuses_in(trace), "");
  EXPECT_EQ(lost_in(trace), 0u);
  EXPECT_TRUE(sane(trace));
}

TEST_P(LockTracing, CountsEachLevelOfRecursionAndOneHold) {
  static pthread_mutex_t recursive;
  make_mutex(recursive, PTHREAD_MUTEX_RECURSIVE);
  const LockTrace trace = trace_of(
      [] {
        for (int i = 0; i < 10; ++i) {
          ::pthread_mutex_lock(&recursive);
          for (int j = 0; j < 2; ++j) ::pthread_mutex_lock(&recursive);
          require(::pthread_mutex_trylock(&recursive) == 0);
          require(::pthread_mutex_timedlock(&recursive, &kPast) == 0);
          ::pthread_mutex_lock(&other);  // one chain: held is listed once
          ::pthread_mutex_unlock(&other);
          for (int j = 0; j < 5; ++j) ::pthread_mutex_unlock(&recursive);
        }
      },
      settings());
  const UseOf use = use_of(trace, &recursive);
  EXPECT_EQ(use.acquired, 50u);
  EXPECT_EQ(use.hold.count, 10u);
  EXPECT_EQ(use.failed, 0u);
  EXPECT_EQ(use_of(trace, &other).acquired, 10u);
  ASSERT_EQ(trace.chains.size(), 1u);
  EXPECT_EQ(trace.chains[0].held.size(), 1u);
  EXPECT_EQ(trace.chains[0].count, 10u);
  EXPECT_EQ(misuses_in(trace), "");
  EXPECT_TRUE(sane(trace));
}

TEST_P(LockTracing, CountsWhatFailedAsFailed) {
  const LockTrace trace = trace_of(
      [] {
        {
          const HeldByAnother held([] { ::pthread_mutex_lock(&mutex); }, [] { ::pthread_mutex_unlock(&mutex); });
          for (int i = 0; i < 20; ++i) require(::pthread_mutex_trylock(&mutex) == EBUSY);
          for (int i = 0; i < 5; ++i) require(::pthread_mutex_timedlock(&mutex, &kPast) == ETIMEDOUT);
          for (int i = 0; i < 3; ++i) require(::pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &kPast) == ETIMEDOUT);
        }
        {
          const HeldByAnother held([] { ::pthread_rwlock_wrlock(&rwlock); }, [] { ::pthread_rwlock_unlock(&rwlock); });
          for (int i = 0; i < 6; ++i) require(::pthread_rwlock_tryrdlock(&rwlock) == EBUSY);
          for (int i = 0; i < 7; ++i) require(::pthread_rwlock_trywrlock(&rwlock) == EBUSY);
          for (int i = 0; i < 2; ++i) require(::pthread_rwlock_timedrdlock(&rwlock, &kPast) == ETIMEDOUT);
        }
        {
          const HeldByAnother held([] { ::pthread_rwlock_rdlock(&rwlock); }, [] { ::pthread_rwlock_unlock(&rwlock); });
          for (int i = 0; i < 4; ++i) require(::pthread_rwlock_timedwrlock(&rwlock, &kPast) == ETIMEDOUT);
        }
        ::pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
        const HeldByAnother held([] { ::pthread_spin_lock(&spin); }, [] { ::pthread_spin_unlock(&spin); });
        for (int i = 0; i < 8; ++i) require(::pthread_spin_trylock(&spin) == EBUSY);
      },
      settings());
  EXPECT_EQ(use_of(trace, &mutex).failed, 28u);
  EXPECT_EQ(use_of(trace, &mutex).acquired, 1u) << "of the thread that held it";
  EXPECT_EQ(use_of(trace, &rwlock, Mode::shared).failed, 8u);
  EXPECT_EQ(use_of(trace, &rwlock, Mode::shared).acquired, 1u);
  EXPECT_EQ(use_of(trace, &rwlock, Mode::exclusive).failed, 11u);
  EXPECT_EQ(use_of(trace, &rwlock, Mode::exclusive).acquired, 1u);
  EXPECT_EQ(use_of(trace, &spin).failed, 8u);
  EXPECT_EQ(use_of(trace, &spin).acquired, 1u);
  EXPECT_EQ(use_of(trace, &mutex).contended, 0u) << "who did not get it is no contended acquisition";
  EXPECT_EQ(misuses_in(trace), "");
  EXPECT_EQ(lost_in(trace), 0u);
  EXPECT_TRUE(sane(trace));
}

TEST_P(LockTracing, CountsSpinLocksAndSemaphores) {
  const LockTrace trace = trace_of(
      [] {
        ::pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
        for (int i = 0; i < 30; ++i) {
          ::pthread_spin_lock(&spin);
          ::pthread_spin_unlock(&spin);
        }
        for (int i = 0; i < 10; ++i) {
          require(::pthread_spin_trylock(&spin) == 0);
          ::pthread_spin_unlock(&spin);
        }
        ::pthread_spin_destroy(&spin);
        ::sem_init(&semaphore, 0, 30);
        for (int i = 0; i < 20; ++i) require(::sem_wait(&semaphore) == 0);
        for (int i = 0; i < 6; ++i) require(::sem_trywait(&semaphore) == 0);
        for (int i = 0; i < 4; ++i) require(::sem_timedwait(&semaphore, &kPast) == 0);
        for (int i = 0; i < 7; ++i) require(::sem_trywait(&semaphore) != 0 && errno == EAGAIN);
        for (int i = 0; i < 3; ++i) require(::sem_timedwait(&semaphore, &kPast) != 0 && errno == ETIMEDOUT);
        for (int i = 0; i < 9; ++i) ::sem_post(&semaphore);
      },
      settings());
  const UseOf spun = use_of(trace, &spin);
  EXPECT_EQ(spun.acquired, 40u);
  EXPECT_EQ(spun.hold.count, 40u);
  EXPECT_EQ(spun.failed + spun.contended, 0u);
  EXPECT_EQ(spun.kinds, only(LockKind::spin));
  const UseOf waited = use_of(trace, &semaphore);
  EXPECT_EQ(waited.acquired, 30u);
  EXPECT_EQ(waited.failed, 10u);
  EXPECT_EQ(waited.contended, 0u);
  EXPECT_EQ(waited.hold.count, 0u) << "nobody holds a semaphore";
  EXPECT_EQ(waited.kinds, only(LockKind::sem));
  EXPECT_EQ(misuses_in(trace), "");
  EXPECT_EQ(lost_in(trace), 0u);
  EXPECT_TRUE(sane(trace));
}

// Two threads give each other the word; each wait lets go of the mutex and takes it again.
TEST_P(LockTracing, CountsTheMutexOfAConditionWait) {
  constexpr int kRounds = 50;
  constexpr std::size_t kWaits = 0, kTimedOut = 1;
  const SharedNumbers numbers;
  const LockTrace trace = trace_of(
      [&] {
        int turn = 0;
        const auto play = [&](int mine) {
          std::uint64_t waits = 0;
          ::pthread_mutex_lock(&mutex);
          for (int i = 0; i < kRounds; ++i) {
            while (turn != mine) {
              ++waits;
              ::pthread_cond_wait(&condition, &mutex);
            }
            turn = 1 - mine;
            ::pthread_cond_broadcast(&condition);
          }
          numbers[kWaits] = numbers[kWaits] + waits;
          ::pthread_mutex_unlock(&mutex);
        };
        std::thread one(play, 0), two(play, 1);
        one.join();
        two.join();
        ::pthread_mutex_lock(&mutex);
        for (int i = 0; i < 10; ++i) {
          if (::pthread_cond_timedwait(&condition, &mutex, &kPast) == ETIMEDOUT)
            numbers[kTimedOut] = numbers[kTimedOut] + 1;
        }
        ::pthread_mutex_unlock(&mutex);
      },
      settings());
  ASSERT_EQ(numbers[kTimedOut], 10u);
  const UseOf use = use_of(trace, &mutex);
  EXPECT_EQ(use.acquired, 3 + numbers[kWaits] + 10);
  EXPECT_EQ(use.hold.count, use.acquired);
  EXPECT_EQ(use.failed, 0u);
  EXPECT_EQ(use.kinds, only(LockKind::mutex));
  EXPECT_EQ(misuses_in(trace), "");
  EXPECT_EQ(lost_in(trace), 0u);
  EXPECT_TRUE(sane(trace));
}

TEST_P(LockTracing, TellsEveryPassOfABarrier) {
  constexpr unsigned kThreads = 4, kRounds = 5;
  const LockTrace trace = trace_of(
      [] {
        ::pthread_barrier_init(&barrier, nullptr, kThreads);
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < kThreads; ++i) {
          threads.emplace_back([] {
            for (unsigned round = 0; round < kRounds; ++round) ::pthread_barrier_wait(&barrier);
          });
        }
        for (std::thread& thread : threads) thread.join();
      },
      settings());
  ASSERT_EQ(trace.barriers.size(), kThreads * kRounds);
  std::map<std::size_t, std::vector<BarrierPass>> by_thread;
  for (const BarrierPass& pass : trace.barriers) {
    EXPECT_EQ(pass.barrier.address, reinterpret_cast<std::uint64_t>(&barrier));
    by_thread[pass.thread].push_back(pass);
  }
  ASSERT_EQ(by_thread.size(), kThreads);
  for (std::size_t round = 0; round < kRounds; ++round) {
    std::uint64_t last_arrived = 0, first_left = UINT64_MAX;
    for (const auto& [thread, passes] : by_thread) {
      ASSERT_EQ(passes.size(), kRounds);
      last_arrived = std::max(last_arrived, passes[round].arrived_ns);
      first_left = std::min(first_left, passes[round].left_ns);
    }
    EXPECT_LE(last_arrived, first_left) << "nobody leaves before all are there";
  }
  EXPECT_EQ(misuses_in(trace), "");
  EXPECT_EQ(lost_in(trace), 0u);
  EXPECT_TRUE(sane(trace));
}

}  // namespace
}  // namespace lockscope::test
