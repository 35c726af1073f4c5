// SPDX-License-Identifier: Apache-2.0
// Locks whose owner has gone, was never in this process, or is stopped.
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog.h"
#include "locks.h"
#include "troupe.h"

namespace puppet {
namespace {

constexpr std::size_t kBytes = 4096;

pthread_mutex_t* locked_by_a_thread_that_ended(const MutexKind& kind = kNormal) {
  auto* mutex = new pthread_mutex_t;
  make_mutex(mutex, kind);
  const pthread_t owner = start_thread([mutex] { lock(mutex); });
  must_zero(pthread_join(owner, nullptr), "pthread_join");
  return mutex;
}

void exited_thread_all_wait(Stage& stage) {
  stage.expect("abandoned_lock", 3);
  pthread_mutex_t* mutex = locked_by_a_thread_that_ended();
  for (int i = 0; i < 2; ++i) {
    start_detached([=, &stage] { hang_on(stage, {.role = Role::waiter, .order = i}, mutex); });
  }
  hang_on(stage, {.role = Role::waiter, .order = 2}, mutex);
}

void exited_thread_main_pauses(Stage& stage) {
  stage.expect("abandoned_lock", 1);
  pthread_mutex_t* mutex = locked_by_a_thread_that_ended();
  start_detached([=, &stage] { hang_on(stage, {.role = Role::waiter}, mutex); });
}

// Only its owner may unlock a PI mutex, and the kernel will not wait for a thread that is not there: glibc parks.
void exited_thread_with_pi(Stage& stage) {
  stage.expect("abandoned_lock", 1);
  hang_on(stage, {.role = Role::waiter}, locked_by_a_thread_that_ended(kPi), kPi);
}

// The owner was killed; only a robust mutex would have been given back.
void killed_process(Stage& stage) {
  stage.expect("abandoned_lock", 2);
  auto* mutex = static_cast<pthread_mutex_t*>(shared_memory(kBytes));
  make_mutex(mutex, kNormal, true);
  const pid_t owner = start_mortal([&] {
    lock(mutex);
    stage.arrive(0);
    rest();
  });
  stage.await(0, 1);
  for (int i = 0; i < 2; ++i) {
    start_process(stage, [=, &stage] { hang_on(stage, {.role = Role::waiter, .order = i}, mutex, kNormal, true); });
  }
  kill(owner, SIGKILL);
  must(waitpid(owner, nullptr, 0) == owner, "waitpid");
}

// A robust mutex is given back by the kernel when its owner dies, unless the owner took the memory away before.
void robust_unmapped_before_death(Stage& stage) {
  stage.expect("abandoned_lock", 1);
  auto* mutex = static_cast<pthread_mutex_t*>(shared_memory(kBytes));
  make_mutex(mutex, kRobust, true);
  const pid_t owner = start_mortal([=] {
    lock(mutex);
    must(munmap(mutex, kBytes) == 0, "munmap");
  });
  must(waitpid(owner, nullptr, 0) == owner, "waitpid");
  start_process(stage, [=, &stage] { hang_on(stage, {.role = Role::waiter}, mutex, kRobust, true); });
}

// The child got a copy of the mutex as another thread of the parent held it; that thread does not exist in the child.
void held_across_fork(Stage& stage) {
  stage.expect("abandoned_lock", 1);
  auto* mutex = new pthread_mutex_t;
  make_mutex(mutex);
  start_detached([=, &stage] {
    lock(mutex);
    stage.arrive(0);
    rest();
  });
  stage.await(0, 1);
  start_process(stage, [=, &stage] { hang_on(stage, {.role = Role::waiter}, mutex); });
}

// SIGSTOP comes from outside, once the holder has its lock.
void stop_and_wait_for(Stage& stage, pid_t holder) {
  stage.await(0, 1);
  kill(holder, SIGSTOP);
  stage.stopped_holder = holder;
  stage.arrive(1);
}

void stopped_with_flock(Stage& stage) {
  stage.expect("long_hold", 2);
  const pid_t holder = start_process(stage, [&stage] {
    flock_file(open_file(stage, kFileA), LOCK_EX);
    stage.take({.role = Role::holder}, flock_truth(kFileA));
    stage.arrive(0);
  });
  start_process(stage, [&stage] {
    stage.await(1, 1);
    stage.take({.role = Role::waiter}, flock_truth(kFileA));
    flock_file(open_file(stage, kFileA), LOCK_EX);
  });
  stop_and_wait_for(stage, holder);
}

void stopped_with_mutex(Stage& stage) {
  stage.expect("long_hold", 2);
  auto* mutex = static_cast<pthread_mutex_t*>(shared_memory(kBytes));
  make_mutex(mutex, kNormal, true);
  const pid_t holder = start_process(stage, [=, &stage] {
    lock(mutex);
    stage.take({.role = Role::holder}, truth_of(mutex, kNormal, true));
    stage.arrive(0);
  });
  start_process(stage, [=, &stage] {
    stage.await(1, 1);
    hang_on(stage, {.role = Role::waiter}, mutex, kNormal, true);
  });
  stop_and_wait_for(stage, holder);
}

constexpr Scenario kScenarios[] = {
    {"exited_owner_all_wait", exited_thread_all_wait, Idle::forbidden},
    {"exited_owner_main_pauses", exited_thread_main_pauses, Idle::forbidden},
    {"exited_pi_owner", exited_thread_with_pi},
    {"killed_owner_process", killed_process, Idle::forbidden},
    {"robust_unmapped_owner", robust_unmapped_before_death},
    {"fork_while_held", held_across_fork, Idle::forbidden},
    {"stopped_flock_holder", stopped_with_flock},
    {"stopped_mutex_holder", stopped_with_mutex},
};

}  // namespace

std::span<const Scenario> absent_owners() { return kScenarios; }

}  // namespace puppet
