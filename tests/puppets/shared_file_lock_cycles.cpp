// SPDX-License-Identifier: Apache-2.0
// File locks that more than one process holds: shared locks, and descriptions shared across fork.
#include <sys/file.h>
#include <unistd.h>

#include "catalog.h"
#include "locks.h"
#include "troupe.h"

namespace puppet {
namespace {

constexpr int kHeld = 0;

// The process that locked the file has exited; its child inherited the description and holds the lock now.
void held_by_heir(Stage& stage) {
  stage.expect("deadlock", 2);
  start_mortal([&stage] {
    const int fd = open_file(stage, kFileA);
    flock_file(fd, LOCK_EX);
    const pid_t locker = getpid();
    must(fork() >= 0, "fork");
    if (getpid() == locker) _exit(0);
    while (getppid() == locker) poll_pause();
    die_with_parent();
    stage.meet(kHeld, 2);
    stage.take({.role = Role::cycle, .order = 0}, flock_truth(kFileB));
    flock_file(open_file(stage, kFileB), LOCK_EX);
    unreachable_behind_hang();
  });
  start_process(stage, [&stage] {
    flock_file(open_file(stage, kFileB), LOCK_EX);
    stage.meet(kHeld, 2);
    stage.take({.role = Role::cycle, .order = 1}, flock_truth(kFileA));
    flock_file(open_file(stage, kFileA), LOCK_EX);
    unreachable_behind_hang();
  });
}

// Two processes share the description that is locked, and both wait for what its waiter holds: nobody can unlock.
void both_sharers_stuck(Stage& stage) {
  stage.expect("deadlock", 3);
  const auto wait_for_b = [&stage](Role role) {
    stage.meet(kHeld, 3);
    stage.take({.role = role, .order = 0}, flock_truth(kFileB));
    flock_file(open_file(stage, kFileB), LOCK_EX);
    unreachable_behind_hang();
  };
  start_process(stage, [&stage, wait_for_b] {
    flock_file(open_file(stage, kFileA), LOCK_EX);
    start_process(stage, [wait_for_b] { wait_for_b(Role::alternate); });
    wait_for_b(Role::cycle);
  });
  start_process(stage, [&stage] {
    flock_file(open_file(stage, kFileB), LOCK_EX);
    stage.meet(kHeld, 3);
    stage.take({.role = Role::cycle, .order = 1}, flock_truth(kFileA));
    flock_file(open_file(stage, kFileA), LOCK_EX);
    unreachable_behind_hang();
  });
}

// Many hold a shared lock and could let go; one of them waits for the writer, so the writer waits for ever.
void one_reader_stuck(Stage& stage) {
  constexpr int kReaders = 6;
  stage.expect("deadlock", 2);
  for (int i = 0; i < kReaders; ++i) {
    start_process(stage, [&stage, i] {
      flock_file(open_file(stage, kFileA), LOCK_SH);
      stage.meet(kHeld, kReaders + 1);
      if (i != 2) return;
      stage.take({.role = Role::cycle, .order = 0}, flock_truth(kFileB));
      flock_file(open_file(stage, kFileB), LOCK_EX);
      unreachable_behind_hang();
    });
  }
  start_process(stage, [&stage] {
    flock_file(open_file(stage, kFileB), LOCK_EX);
    stage.meet(kHeld, kReaders + 1);
    stage.take({.role = Role::cycle, .order = 1}, flock_truth(kFileA));
    flock_file(open_file(stage, kFileA), LOCK_EX);
    unreachable_behind_hang();
  });
}

constexpr Scenario kScenarios[] = {
    {"flock_heir_cycle", held_by_heir, Idle::forbidden},
    {"flock_sharers_cycle", both_sharers_stuck, Idle::forbidden},
    {"flock_readers_cycle", one_reader_stuck, Idle::forbidden},
};

}  // namespace

std::span<const Scenario> shared_file_lock_cycles() { return kScenarios; }

}  // namespace puppet
