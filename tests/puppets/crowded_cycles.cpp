// SPDX-License-Identifier: Apache-2.0
// Cycles that are not alone: two at once, victims behind them, timeouts far away, a lock recovered from the dead.
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <vector>

#include "catalog.h"
#include "locks.h"
#include "troupe.h"

namespace puppet {
namespace {

// Two threads and two mutexes that will hang as cycle number `knot`.
struct Pair {
  pthread_mutex_t* mutexes[2];
};

Pair start_pair(Stage& stage, int knot) {
  Pair pair{{new pthread_mutex_t, new pthread_mutex_t}};
  for (pthread_mutex_t* mutex : pair.mutexes) make_mutex(mutex);
  for (int i = 0; i < 2; ++i) {
    start_detached([=, &stage] {
      lock(pair.mutexes[i]);
      stage.meet(knot, 2);
      hang_on(stage, {.role = Role::cycle, .order = i, .knot = knot}, pair.mutexes[1 - i]);
    });
  }
  return pair;
}

void two_cycles(Stage& stage) {
  stage.expect("deadlock", 4);
  start_pair(stage, 0);
  start_pair(stage, 1);
}

void two_cycles_in_two_processes(Stage& stage) {
  stage.expect("deadlock", 4);
  for (int knot = 0; knot < 2; ++knot) {
    start_process(stage, [&stage, knot] { start_pair(stage, knot); });
  }
}

// The first victim waits for a mutex of the cycle, each next one for what the victim before it holds.
void chain_of_victims(Stage& stage) {
  constexpr int kVictims = 3;
  stage.expect("deadlock", 2 + kVictims);
  const Pair pair = start_pair(stage, 0);
  stage.await(0, 2);
  std::vector<pthread_mutex_t*> own;
  for (int i = 0; i < kVictims; ++i) {
    own.push_back(new pthread_mutex_t);
    make_mutex(own.back());
  }
  for (int i = 0; i < kVictims; ++i) {
    start_detached([=, &stage] {
      lock(own[static_cast<std::size_t>(i)]);
      stage.meet(1, kVictims);
      hang_on(stage, {.role = Role::victim, .order = i},
              i == 0 ? pair.mutexes[0] : own[static_cast<std::size_t>(i - 1)]);
    });
  }
}

// The main thread waits for the end of one that will never end.
void joined_by_main(Stage& stage) {
  stage.expect("deadlock", 3);
  auto* mutexes = new pthread_mutex_t[2];
  make_mutex(&mutexes[0]);
  make_mutex(&mutexes[1]);
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = start_thread([=, &stage] {
      lock(&mutexes[i]);
      stage.meet(0, 2);
      hang_on(stage, {.role = Role::cycle, .order = i}, &mutexes[1 - i]);
    });
  }
  stage.take({.role = Role::victim}, {.kind = "join"});
  pthread_join(threads[0], nullptr);
  unreachable_behind_hang();
}

void timed_for_an_hour(Stage& stage) {
  stage.expect("deadlock", 2);
  auto* mutexes = new pthread_mutex_t[2];
  make_mutex(&mutexes[0]);
  make_mutex(&mutexes[1]);
  for (int i = 0; i < 2; ++i) {
    start_detached([=, &stage] {
      lock(&mutexes[i]);
      stage.meet(0, 2);
      timespec end{};
      clock_gettime(CLOCK_REALTIME, &end);
      end.tv_sec += 3600;
      stage.take({.role = Role::cycle, .order = i, .timed = true}, truth_of(&mutexes[1 - i]));
      pthread_mutex_timedlock(&mutexes[1 - i], &end);
      unreachable_behind_hang();
    });
  }
}

// A process is killed with a robust mutex; another makes it consistent, and then runs into a cycle with it in hand.
void robust_after_recovery(Stage& stage) {
  stage.expect("deadlock", 2);
  constexpr std::size_t kBytes = 4096;
  auto* mutexes = static_cast<pthread_mutex_t*>(shared_memory(kBytes));
  for (int i = 0; i < 2; ++i) make_mutex(&mutexes[i], kRobust, true);
  const pid_t killed = start_mortal([&] {
    lock(&mutexes[0]);
    stage.arrive(0);
    rest();
  });
  stage.await(0, 1);
  kill(killed, SIGKILL);
  must(waitpid(killed, nullptr, 0) == killed, "waitpid");
  for (int i = 0; i < 2; ++i) {
    start_process(stage, [&stage, mutexes, i] {
      const int error = pthread_mutex_lock(&mutexes[i]);
      must(error == (i == 0 ? EOWNERDEAD : 0), "locking what the dead held");
      if (i == 0) must_zero(pthread_mutex_consistent(&mutexes[0]), "pthread_mutex_consistent");
      stage.meet(1, 2);
      hang_on(stage, {.role = Role::cycle, .order = i}, &mutexes[1 - i], kRobust, true);
    });
  }
}

constexpr Scenario kScenarios[] = {
    {"two_cycles", two_cycles},
    {"two_cycles_in_two_processes", two_cycles_in_two_processes},
    {"cycle_with_victims", chain_of_victims},
    {"cycle_joined_by_main", joined_by_main},
    {"timed_cycle", timed_for_an_hour},
    {"robust_recovered_cycle", robust_after_recovery},
};

}  // namespace

std::span<const Scenario> crowded_cycles() { return kScenarios; }

}  // namespace puppet
