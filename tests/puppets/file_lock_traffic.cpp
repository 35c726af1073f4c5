// SPDX-License-Identifier: Apache-2.0
// Innocent file locks: shared, timed by an alarm, taken and dropped at a high rate.
#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog.h"
#include "locks.h"
#include "traffic.h"
#include "troupe.h"

namespace puppet {
namespace {

// One holds A and waits for B, the other holds B and waits for A, but a third process shares the description that holds
// A, is asleep and will unlock it. Again and again.
void sharer_unlocks(Stage& stage) {
  stage.expect_none();
  start_process(stage, [&stage] {
    for (int round = 1;; ++round) {
      const int b = open_file(stage, kFileB);
      flock_file(b, LOCK_EX);
      stage.arrive(0);
      stage.await(1, round);
      const int a = open_file(stage, kFileA);
      flock_file(a, LOCK_EX);
      close(a);
      close(b);
      stage.await(2, round);
    }
  });
  start_process(stage, [&stage] {
    for (int round = 1;; ++round) {
      const int a = open_file(stage, kFileA);
      flock_file(a, LOCK_EX);
      stage.await(0, round);
      const pid_t sharer = start_mortal([a] {
        work_for(1'500'000);
        flock_file(a, LOCK_UN);
      });
      stage.arrive(1);
      const int b = open_file(stage, kFileB);
      flock_file(b, LOCK_EX);
      must(waitpid(sharer, nullptr, 0) == sharer, "waitpid");
      close(a);
      close(b);
      stage.moved();
      stage.arrive(2);
    }
  });
}

void on_alarm(int) {}

// Both orders, with an alarm that interrupts whoever waits too long.
void alarm_ends_it(Stage& stage) {
  stage.expect_none(5);
  for (int i = 0; i < 2; ++i) {
    start_process(stage, [&stage, i] {
      struct sigaction action {};
      action.sa_handler = on_alarm;  // without SA_RESTART: flock returns EINTR
      sigaction(SIGALRM, &action, nullptr);
      const itimerval every{{0, 150'000}, {0, 100'000 + i * 31'000}};
      must(setitimer(ITIMER_REAL, &every, nullptr) == 0, "setitimer");
      for (;;) {
        const int own = open_file(stage, i == 0 ? kFileA : kFileB);
        const int other = open_file(stage, i == 0 ? kFileB : kFileA);
        const bool first = flock(own, LOCK_EX) == 0;
        must(first || errno == EINTR, "flock");
        if (first) {
          work_for(1000);
          must(flock(other, LOCK_EX) == 0 || errno == EINTR, "flock");
        }
        close(own);
        close(other);
        stage.moved();
      }
    });
  }
}

void lock_file_queue(Stage& stage) {
  stage.expect_none(20);
  for (unsigned i = 0; i < 20; ++i) {
    start_process(stage, [&stage, i] {
      Chance chance(i);
      for (;;) {
        const int fd = open_file(stage, kFileA);
        flock_file(fd, LOCK_EX);
        work_for(static_cast<long>(1000 + chance.below(4000)));
        close(fd);
        stage.moved();
      }
    });
  }
}

// Processes come, take locks and go with them, all the time.
void holders_that_exit(Stage& stage) {
  stage.expect_none(20);
  int alive = 0;
  for (unsigned n = 0;; ++n) {
    start_mortal([&stage, n] {
      Chance chance(n);
      flock_file(open_file(stage, kFileA), LOCK_EX);
      flock_file(open_file(stage, kFileB), chance.below(2) == 0 ? LOCK_SH : LOCK_EX);
      stage.moved();
    });
    if (++alive < 8) continue;
    must(waitpid(-1, nullptr, 0) > 0, "waitpid");
    --alive;
  }
}

constexpr Scenario kScenarios[] = {
    {"flock_sharer_unlocks", sharer_unlocks},
    {"flock_alarm", alarm_ends_it},
    {"lock_file_queue", lock_file_queue},
    {"holders_that_exit", holders_that_exit},
};

}  // namespace

std::span<const Scenario> file_lock_traffic() { return kScenarios; }

}  // namespace puppet
