// SPDX-License-Identifier: Apache-2.0
// Innocent mutexes: busy, nested, in order, given up in time.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <array>

#include "catalog.h"
#include "locks.h"
#include "traffic.h"
#include "troupe.h"

namespace puppet {
namespace {

template <std::size_t count>
std::array<pthread_mutex_t, count>* make_mutexes(const MutexKind& kind = kNormal) {
  auto* mutexes = new std::array<pthread_mutex_t, count>;
  for (pthread_mutex_t& mutex : *mutexes) make_mutex(&mutex, kind);
  return mutexes;
}

void recursive_nesting(Stage& stage) {
  stage.expect_none(100);
  auto* mutex = make_mutexes<1>(kRecursive)->data();
  for (int i = 0; i < 4; ++i) {
    start_detached([=, &stage] {
      for (;;) {
        for (int depth = 0; depth < 3; ++depth) lock(mutex);
        work_for(200);
        for (int depth = 0; depth < 3; ++depth) unlock(mutex);
        stage.moved();
      }
    });
  }
}

void try_lock_and_back_off(Stage& stage) {
  stage.expect_none(100);
  auto* mutexes = make_mutexes<2>();
  for (std::size_t i = 0; i < 2; ++i) {
    start_detached([=, &stage] {
      Chance chance(i);
      for (;;) {
        lock(&(*mutexes)[i]);
        work_for(static_cast<long>(chance.below(300)));
        if (pthread_mutex_trylock(&(*mutexes)[1 - i]) == 0) {
          unlock(&(*mutexes)[1 - i]);
          stage.moved();
        }
        unlock(&(*mutexes)[i]);
        work_for(static_cast<long>(chance.below(300)));
      }
    });
  }
}

// 64 threads take random pairs of few mutexes, always the lower address first.
void ordered_pairs(Stage& stage) {
  stage.expect_none(1000);
  constexpr std::size_t kMutexes = 12;
  auto* mutexes = make_mutexes<kMutexes>();
  for (unsigned i = 0; i < 64; ++i) {
    start_detached([=, &stage] {
      Chance chance(i);
      for (;;) {
        std::size_t first = chance.below(kMutexes);
        std::size_t second = chance.below(kMutexes - 1);
        if (second >= first) ++second;
        if (first > second) std::swap(first, second);
        lock(&(*mutexes)[first]);
        if (chance.below(4) == 0) sched_yield();
        lock(&(*mutexes)[second]);
        if (chance.below(8) == 0) work_for(static_cast<long>(chance.below(100)));
        unlock(&(*mutexes)[second]);
        unlock(&(*mutexes)[first]);
        stage.moved();
      }
    });
  }
}

void long_queue(Stage& stage) {
  stage.expect_none(20);
  auto* mutex = make_mutexes<1>()->data();
  for (int i = 0; i < 24; ++i) {
    start_detached([=, &stage] {
      for (;;) {
        lock(mutex);
        work_for(5000);
        unlock(mutex);
        stage.moved();
      }
    });
  }
}

// Both orders, but who waits too long lets go: real cycles, each of them ends.
void timeouts_that_end(Stage& stage) {
  stage.expect_none(20);
  auto* mutexes = make_mutexes<2>();
  for (std::size_t i = 0; i < 2; ++i) {
    start_detached([=, &stage] {
      Chance chance(i);
      for (;;) {
        lock(&(*mutexes)[i]);
        work_for(1000);
        const timespec end = realtime_in(static_cast<long>(40 + chance.below(40)));
        if (pthread_mutex_timedlock(&(*mutexes)[1 - i], &end) == 0) unlock(&(*mutexes)[1 - i]);
        unlock(&(*mutexes)[i]);
        stage.moved();
        work_for(static_cast<long>(chance.below(3000)));
      }
    });
  }
}

// Along a list, each node locked before the one behind it is let go.
void hand_over_hand(Stage& stage) {
  stage.expect_none(50);
  constexpr std::size_t kNodes = 16;
  auto* mutexes = make_mutexes<kNodes>();
  for (int i = 0; i < 12; ++i) {
    start_detached([=, &stage] {
      for (;;) {
        lock(&(*mutexes)[0]);
        for (std::size_t node = 1; node < kNodes; ++node) {
          lock(&(*mutexes)[node]);
          unlock(&(*mutexes)[node - 1]);
          if (node % 5 == 0) work_for(50);
        }
        unlock(&(*mutexes)[kNodes - 1]);
        stage.moved();
      }
    });
  }
}

// The outer and the inner mutex change places each round, in the same memory: an order of addresses that is a cycle
// only for one who mixes rounds.
void memory_reused(Stage& stage) {
  stage.expect_none(20);
  constexpr unsigned kThreads = 8;
  constexpr int kTurns = 20;
  auto* memory = new std::array<pthread_mutex_t, 2>;
  auto* round = new pthread_barrier_t;
  must_zero(pthread_barrier_init(round, nullptr, kThreads), "pthread_barrier_init");
  for (unsigned i = 0; i < kThreads; ++i) {
    start_detached([=, &stage] {
      for (std::size_t turn = 0;; ++turn) {
        if (i == 0) {
          for (pthread_mutex_t& mutex : *memory) make_mutex(&mutex, turn % 3 == 0 ? kErrorcheck : kNormal);
        }
        pthread_barrier_wait(round);
        for (int n = 0; n < kTurns; ++n) {
          lock(&(*memory)[turn % 2]);
          if (n % 4 == 0) work_for(20);
          lock(&(*memory)[1 - turn % 2]);
          unlock(&(*memory)[1 - turn % 2]);
          unlock(&(*memory)[turn % 2]);
        }
        pthread_barrier_wait(round);
        if (i != 0) continue;
        for (pthread_mutex_t& mutex : *memory) must_zero(pthread_mutex_destroy(&mutex), "pthread_mutex_destroy");
        stage.moved();
      }
    });
  }
}

// The kernel hands PI mutexes over by itself.
void pi_handover(Stage& stage) {
  stage.expect_none(100);
  auto* mutexes = make_mutexes<3>(kPi);
  for (unsigned i = 0; i < 12; ++i) {
    start_detached([=, &stage] {
      Chance chance(i);
      for (;;) {
        const std::size_t first = chance.below(2);
        lock(&(*mutexes)[first]);
        lock(&(*mutexes)[first + 1]);
        if (chance.below(4) == 0) work_for(100);
        unlock(&(*mutexes)[first + 1]);
        unlock(&(*mutexes)[first]);
        stage.moved();
      }
    });
  }
}

constexpr Scenario kScenarios[] = {
    {"recursive_nesting", recursive_nesting}, {"trylock_back_off", try_lock_and_back_off},
    {"ordered_churn", ordered_pairs},         {"moving_queue", long_queue},
    {"timeouts_that_end", timeouts_that_end}, {"hand_over_hand", hand_over_hand},
    {"mutex_memory_reused", memory_reused},   {"pi_handover", pi_handover},
};

}  // namespace

std::span<const Scenario> mutex_traffic() { return kScenarios; }

}  // namespace puppet
