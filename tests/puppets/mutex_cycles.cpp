// SPDX-License-Identifier: Apache-2.0
// Cycles of mutexes in one process: thread i holds mutex i and waits for mutex i + 1.
#include <sched.h>
#include <threads.h>

#include <functional>
#include <mutex>
#include <vector>

#include "catalog.h"
#include "locks.h"
#include "troupe.h"

namespace puppet {
namespace {

constexpr int kAllHold = 0;

template <class Lock>
using LockCall = void (*)(Lock*);

template <class Lock>
void play_cycle(Stage& stage, const std::vector<Lock*>& locks, LockCall<Lock> take_lock,
                const std::function<LockTruth(int)>& truth) {
  const int count = static_cast<int>(locks.size());
  stage.expect("deadlock", count);
  for (int i = 0; i < count; ++i) {
    start_detached([=, &stage] {
      const int next = (i + 1) % count;
      take_lock(locks[static_cast<std::size_t>(i)]);
      stage.meet(kAllHold, count);
      stage.take({.role = Role::cycle, .order = i}, truth(next));
      take_lock(locks[static_cast<std::size_t>(next)]);
      unreachable_behind_hang();
    });
  }
}

void play_mutexes(Stage& stage, const std::vector<MutexKind>& kinds, LockCall<pthread_mutex_t> take_lock = lock) {
  std::vector<pthread_mutex_t*> mutexes;
  for (const MutexKind& kind : kinds) {
    mutexes.push_back(new pthread_mutex_t);
    make_mutex(mutexes.back(), kind);
  }
  play_cycle<pthread_mutex_t>(stage, mutexes, take_lock, [=](int i) {
    const auto index = static_cast<std::size_t>(i);
    return truth_of(mutexes[index], kinds[index]);
  });
}

template <const MutexKind& kind>
void two_of(Stage& stage) {
  play_mutexes(stage, {kind, kind});
}

template <int count>
void many(Stage& stage) {
  play_mutexes(stage, std::vector<MutexKind>(count, kNormal));
}

// The kernel sees a cycle of PI mutexes alone, and glibc parks the thread that would close it on a word of its own.
// With another mutex in it the kernel does not see it.
void pi_alone(Stage& stage) { play_mutexes(stage, {kPi, kPi}); }
void pi_and_normal(Stage& stage) { play_mutexes(stage, {kPi, kNormal}); }
void pi_in_a_ring(Stage& stage) { play_mutexes(stage, {kPi, kRobust, kPi, kNormal}); }
void every_type(Stage& stage) { play_mutexes(stage, {kNormal, kRecursive, kErrorcheck, kAdaptive, kRobust, kPi}); }

// glibc raises the priority to the ceiling, which only a thread of a real-time class has.
void lock_in_real_time(pthread_mutex_t* mutex) {
  const sched_param lowest{1};
  must_zero(pthread_setschedparam(pthread_self(), SCHED_FIFO, &lowest), "pthread_setschedparam");
  lock(mutex);
}

void priority_protect(Stage& stage) { play_mutexes(stage, {kPriorityProtect, kPriorityProtect}, lock_in_real_time); }

void take_mtx(mtx_t* mutex) { must(mtx_lock(mutex) == thrd_success, "mtx_lock"); }

template <int type>
void c11(Stage& stage) {
  std::vector<mtx_t*> mutexes;
  for (int i = 0; i < 2; ++i) {
    mutexes.push_back(new mtx_t);
    must(mtx_init(mutexes.back(), type) == thrd_success, "mtx_init");
  }
  play_cycle<mtx_t>(stage, mutexes, take_mtx, [=](int i) {
    return truth_of(reinterpret_cast<pthread_mutex_t*>(mutexes[static_cast<std::size_t>(i)]),
                    type == mtx_plain ? kNormal : kRecursive);
  });
}

void take_std(std::mutex* mutex) { mutex->lock(); }

void std_mutex(Stage& stage) {
  const std::vector<std::mutex*> mutexes{new std::mutex, new std::mutex};
  play_cycle<std::mutex>(stage, mutexes, take_std,
                         [=](int i) { return truth_of(mutexes[static_cast<std::size_t>(i)]->native_handle()); });
}

constexpr Scenario kScenarios[] = {
    {"mutex_cycle_2", many<2>},
    {"mutex_cycle_3", many<3>},
    {"mutex_cycle_64", many<64>},
    {"recursive_cycle", two_of<kRecursive>},
    {"errorcheck_cycle", two_of<kErrorcheck>},
    {"adaptive_cycle", two_of<kAdaptive>},
    {"robust_cycle", two_of<kRobust>},
    {"pi_cycle", pi_and_normal},
    {"pi_pair", pi_alone},
    {"pi_ring", pi_in_a_ring},
    {"priority_protect_cycle", priority_protect},
    {"every_type_cycle", every_type},
    {"c11_cycle", c11<mtx_plain>},
    {"c11_recursive_cycle", c11<mtx_plain | mtx_recursive>},
    {"std_mutex_cycle", std_mutex},
};

}  // namespace

std::span<const Scenario> mutex_cycles() { return kScenarios; }

}  // namespace puppet
