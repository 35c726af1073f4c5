// SPDX-License-Identifier: Apache-2.0
// A thread waits for a lock that it holds itself. For locks that anybody may unlock this is proved only where nobody
// else of the process can move.
#include <sys/file.h>

#include "catalog.h"
#include "locks.h"
#include "troupe.h"

namespace puppet {
namespace {

void relock(Stage& stage, const MutexKind& kind) {
  auto* mutex = new pthread_mutex_t;
  make_mutex(mutex, kind);
  lock(mutex);
  hang_on(stage, {.role = Role::cycle}, mutex, kind);
}

void only_thread(Stage& stage) {
  stage.expect("self_deadlock", 1);
  relock(stage, kNormal);
}

void main_sleeps(Stage& stage) {
  stage.expect("self_deadlock", 1);
  start_detached([&stage] { relock(stage, kNormal); });
}

void start_moving_thread(Stage& stage) {
  start_detached([&stage] {
    for (;;) {
      stage.moved();
      poll_pause();
    }
  });
}

// Only its owner may unlock a robust mutex, so that another thread moves is no excuse.
void robust_beside_moving_thread(Stage& stage) {
  stage.expect("self_deadlock", 1);
  start_moving_thread(stage);
  relock(stage, kRobust);
}

// glibc parks the thread for good where the kernel refuses it a PI mutex that it owns.
void pi_beside_moving_thread(Stage& stage) {
  stage.expect("self_deadlock", 1);
  start_moving_thread(stage);
  relock(stage, kPi);
}

// Two descriptions of one file in one process are two lockers.
void file_opened_twice(Stage& stage) {
  stage.expect("self_deadlock", 1);
  flock_file(open_file(stage, kFileA), LOCK_EX);
  stage.take({.role = Role::cycle}, flock_truth(kFileA));
  flock_file(open_file(stage, kFileA), LOCK_EX);
  unreachable_behind_hang();
}

constexpr Scenario kScenarios[] = {
    {"self_mutex", only_thread, Idle::forbidden},       {"self_mutex_main_pauses", main_sleeps, Idle::forbidden},
    {"self_robust", robust_beside_moving_thread},       {"self_pi", pi_beside_moving_thread},
    {"self_flock", file_opened_twice, Idle::forbidden},
};

}  // namespace

std::span<const Scenario> self_deadlocks() { return kScenarios; }

}  // namespace puppet
