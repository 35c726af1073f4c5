// SPDX-License-Identifier: Apache-2.0
// Waiting for the end of a thread or of a child that itself waits for the waiter.
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog.h"
#include "locks.h"
#include "troupe.h"

namespace puppet {
namespace {

constexpr LockTruth kJoin{.kind = "join"};
constexpr LockTruth kChild{.kind = "child"};

// One holds the mutex and joins the other, who waits for it.
void join_and_mutex(Stage& stage) {
  stage.expect("deadlock", 2);
  auto* mutex = new pthread_mutex_t;
  make_mutex(mutex);
  const pthread_t second = start_thread([=, &stage] {
    stage.await(0, 1);
    hang_on(stage, {.role = Role::cycle, .order = 1}, mutex);
  });
  start_detached([=, &stage] {
    lock(mutex);
    stage.arrive(0);
    stage.take({.role = Role::cycle, .order = 0}, kJoin);
    pthread_join(second, nullptr);
    unreachable_behind_hang();
  });
}

// Two joins in a row, closed by a mutex.
void two_joins_and_mutex(Stage& stage) {
  stage.expect("deadlock", 3);
  auto* mutex = new pthread_mutex_t;
  make_mutex(mutex);
  const pthread_t third = start_thread([=, &stage] {
    stage.await(0, 1);
    hang_on(stage, {.role = Role::cycle, .order = 2}, mutex);
  });
  const pthread_t second = start_thread([=, &stage] {
    stage.take({.role = Role::cycle, .order = 1}, kJoin);
    pthread_join(third, nullptr);
    unreachable_behind_hang();
  });
  start_detached([=, &stage] {
    lock(mutex);
    stage.arrive(0);
    stage.take({.role = Role::cycle, .order = 0}, kJoin);
    pthread_join(second, nullptr);
    unreachable_behind_hang();
  });
}

// A thread holds a shared mutex and joins another, which waits for a file, whose process waits for the mutex.
void mutex_flock_join(Stage& stage) {
  stage.expect("deadlock", 3);
  auto* mutex = static_cast<pthread_mutex_t*>(shared_memory(4096));
  make_mutex(mutex, kNormal, true);
  start_process(stage, [=, &stage] {
    flock_file(open_file(stage, kFileA), LOCK_EX);
    stage.arrive(0);
    stage.await(1, 1);
    hang_on(stage, {.role = Role::cycle, .order = 2}, mutex, kNormal, true);
  });
  start_process(stage, [=, &stage] {
    const pthread_t second = start_thread([&stage] {
      stage.await(0, 1);
      stage.take({.role = Role::cycle, .order = 1}, flock_truth(kFileA));
      flock_file(open_file(stage, kFileA), LOCK_EX);
      unreachable_behind_hang();
    });
    start_detached([=, &stage] {
      lock(mutex);
      stage.arrive(1);
      stage.take({.role = Role::cycle, .order = 0}, kJoin);
      pthread_join(second, nullptr);
      unreachable_behind_hang();
    });
  });
}

void by_waitpid(pid_t child) { waitpid(child, nullptr, 0); }

void by_waitid(pid_t child) {
  siginfo_t end;
  waitid(P_PID, static_cast<id_t>(child), &end, WEXITED);
}

void by_pidfd(pid_t child) {
  const long pidfd = syscall(SYS_pidfd_open, child, 0);
  must(pidfd >= 0, "pidfd_open");
  siginfo_t end;
  waitid(P_PIDFD, static_cast<id_t>(pidfd), &end, WEXITED);
}

// The parent takes the lock after the fork, so that the child has no part in its open file description.
template <void (*wait)(pid_t)>
void child_and_flock(Stage& stage) {
  stage.expect("deadlock", 2);
  const pid_t child = start_process(stage, [&stage] {
    stage.await(0, 1);
    stage.take({.role = Role::cycle, .order = 1}, flock_truth(kFileA));
    flock_file(open_file(stage, kFileA), LOCK_EX);
    unreachable_behind_hang();
  });
  flock_file(open_file(stage, kFileA), LOCK_EX);
  stage.arrive(0);
  stage.take({.role = Role::cycle, .order = 0}, kChild);
  wait(child);
  unreachable_behind_hang();
}

template <void (*wait)(pid_t)>
void child_and_mutex(Stage& stage) {
  stage.expect("deadlock", 2);
  auto* mutex = static_cast<pthread_mutex_t*>(shared_memory(4096));
  make_mutex(mutex, kNormal, true);
  const pid_t child = start_process(stage, [=, &stage] {
    stage.await(0, 1);
    hang_on(stage, {.role = Role::cycle, .order = 1}, mutex, kNormal, true);
  });
  lock(mutex);
  stage.arrive(0);
  stage.take({.role = Role::cycle, .order = 0}, kChild);
  wait(child);
  unreachable_behind_hang();
}

constexpr Scenario kScenarios[] = {
    {"join_cycle", join_and_mutex},
    {"join_cycle_3", two_joins_and_mutex},
    {"mutex_flock_join_cycle", mutex_flock_join, Idle::forbidden},
    {"waitpid_flock_cycle", child_and_flock<by_waitpid>, Idle::forbidden},
    {"waitid_flock_cycle", child_and_flock<by_waitid>, Idle::forbidden},
    {"pidfd_flock_cycle", child_and_flock<by_pidfd>, Idle::forbidden},
    {"waitpid_mutex_cycle", child_and_mutex<by_waitpid>, Idle::forbidden},
    {"waitid_mutex_cycle", child_and_mutex<by_waitid>, Idle::forbidden},
    {"pidfd_mutex_cycle", child_and_mutex<by_pidfd>, Idle::forbidden},
};

}  // namespace

std::span<const Scenario> join_and_child_cycles() { return kScenarios; }

}  // namespace puppet
