// SPDX-License-Identifier: Apache-2.0
// What the lock tracer counts, against numbers known by construction: every kind of lock, every way to take it, waits
// and holds of a known least length, and misuse. With sessions, and as on kernels that have none.
#include "source/lock_tracer.h"

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
#include <map>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "lockscope/full_wire.h"
#include "tests/kernel/contention_stage.h"
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

constexpr timespec kPast{1, 0};

std::vector<LockKind> only(LockKind kind) { return {kind}; }

void require(bool good) {
  if (!good) throw std::runtime_error("a call did not do what it does");
}

void make_mutex(pthread_mutex_t& made, int type, int protocol = PTHREAD_PRIO_NONE, int robust = PTHREAD_MUTEX_STALLED) {
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_settype(&attributes, type);
  ::pthread_mutexattr_setprotocol(&attributes, protocol);
  ::pthread_mutexattr_setrobust(&attributes, robust);
  require(::pthread_mutex_init(&made, &attributes) == 0);
}

// Another thread takes the lock, and lets go of it when this goes out of scope.
class HeldByAnother {
 public:
  HeldByAnother(const std::function<void()>& take, const std::function<void()>& let_go) : thread_([this, take, let_go] {
    take();
    taken_ = true;
    while (!over_) ::usleep(100);
    let_go();
  }) {
    while (!taken_) ::usleep(100);
  }
  ~HeldByAnother() {
    over_ = true;
    thread_.join();
  }
  HeldByAnother(const HeldByAnother&) = delete;
  HeldByAnother& operator=(const HeldByAnother&) = delete;

 private:
  std::atomic<bool> taken_ = false, over_ = false;
  std::thread thread_;
};

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
  const int thousands = number_from_environment("LOCKSCOPE_TRACER_THOUSANDS", 2'000);
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
          if (::pthread_cond_timedwait(&condition, &mutex, &kPast) == ETIMEDOUT) numbers[kTimedOut] = numbers[kTimedOut] + 1;
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

constexpr int kWaits = 8;
constexpr auto kHold = std::chrono::milliseconds(5);

// The other thread holds the lock, until the waiter sleeps and then for `kHold`, each time.
void wait_for_each(const std::function<void()>& hold, const std::function<void()>& give, const std::function<void()>& take,
                   const std::function<void()>& let_go) {
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
  const auto bucket = static_cast<std::size_t>(std::bit_width(std::uint64_t{std::chrono::nanoseconds(kHold).count()}) - 1);
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

TEST_P(LockTracing, MeasuresWaitsAndHoldsOfMutexes) {
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

TEST_P(LockTracing, MeasuresTimedWaitsThatSucceed) {
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

TEST_P(LockTracing, MeasuresReadersThatWaitForAWriterAndViceVersa) {
  const auto read = [] { ::pthread_rwlock_rdlock(&rwlock); };
  const auto write = [] { ::pthread_rwlock_wrlock(&rwlock); };
  const auto let_go = [] { ::pthread_rwlock_unlock(&rwlock); };
  expect_waits(trace_of([&] { wait_for_each(write, let_go, read, let_go); }, settings()), &rwlock, false,
               Mode::exclusive, Mode::shared);
  expect_waits(trace_of([&] { wait_for_each(read, let_go, write, let_go); }, settings()), &rwlock, false, Mode::shared,
               Mode::exclusive);
}

TEST_P(LockTracing, MeasuresWaitsForSemaphores) {
  ::sem_init(&semaphore, 0, 0);
  const LockTrace trace = trace_of(
      [] {
        wait_for_each([] {}, [] { ::sem_post(&semaphore); }, [] { ::sem_wait(&semaphore); }, [] {});
      },
      settings());
  const UseOf use = use_of(trace, &semaphore);
  EXPECT_EQ(use.acquired, kWaits);
  EXPECT_EQ(use.contended, kWaits);
  EXPECT_EQ(longer_than_hold(use.wait), kWaits);
  EXPECT_TRUE(sane(trace));
}

TEST_P(LockTracing, TellsLongHolds) {
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

TEST_P(LockTracing, KnowsAHundredAndTwentyEightHeldLocks) {
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

TEST_P(LockTracing, TellsChainsOnceAndCountsThem) {
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
  require(::pthread_mutex_unlock(&checked) == EPERM);  // again
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

TEST_P(LockTracing, TellsMisuse) {
  Traced traced(&misuse_everything);
  const auto tracer = follow(traced, settings());
  traced.begin();
  update_until(*tracer, [&] { return traced.done(); });
  const LockTrace trace = trace_when(*tracer, [](const LockTrace& now) {
    return std::ranges::any_of(now.misuses, [](const LockMisuse& m) { return m.kind == MisuseKind::exit_while_holding; });
  });
  EXPECT_EQ(misuses_in(trace),
            "destroyed_while_locked 1, double_unlock 2, exit_while_holding 1, ignored_lock_failure 1, relock 1, "
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
TEST_P(LockTracing, TellsARelockThatStillWaits) {
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
