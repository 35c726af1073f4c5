// SPDX-License-Identifier: Apache-2.0
// Innocent processes: a parent with several children, requests and replies under locks, owners that die and are
// survived.
#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog.h"
#include "locks.h"
#include "traffic.h"
#include "troupe.h"

namespace puppet {
namespace {

// One child waits for the parent's lock, but the parent waits for any child, and the other one is about to end.
void any_child(Stage& stage) {
  stage.expect_none(2);
  for (int round = 1;; ++round) {
    const pid_t waiting = start_mortal([&stage, round] {
      stage.await(0, round);
      flock_file(open_file(stage, kFileA), LOCK_EX);
    });
    const int fd = open_file(stage, kFileA);
    flock_file(fd, LOCK_EX);
    stage.arrive(0);
    const pid_t working = start_mortal([fd] {
      close(fd);
      work_for(300'000);
    });
    must(waitpid(-1, nullptr, 0) == working, "waitpid of any child");
    close(fd);
    must(waitpid(waiting, nullptr, 0) == waiting, "waitpid");
    stage.moved();
  }
}

// A client waits for the reply with a lock held, and the server takes a lock of its own to give it.
void request_and_reply(Stage& stage) {
  stage.expect_none(50);
  auto* mutexes = static_cast<pthread_mutex_t*>(shared_memory(4096));
  make_mutex(&mutexes[0], kNormal, true);
  make_mutex(&mutexes[1], kNormal, true);
  int sockets[2];
  must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0, "socketpair");
  for (int client = 0; client < 2; ++client) {
    start_process(stage, [=, &stage] {
      for (;;) {
        lock(&mutexes[0]);
        char byte = 'q';
        must(write(sockets[0], &byte, 1) == 1, "write");
        must(read(sockets[0], &byte, 1) == 1, "read");
        unlock(&mutexes[0]);
        stage.moved();
      }
    });
  }
  start_process(stage, [=] {
    for (;;) {
      char byte = 0;
      must(read(sockets[1], &byte, 1) == 1, "read");
      lock(&mutexes[1]);
      work_for(1000);
      unlock(&mutexes[1]);
      must(write(sockets[1], &byte, 1) == 1, "write");
    }
  });
}

// Processes die with robust mutexes in hand; the next one recovers them.
void robust_survivors(Stage& stage) {
  stage.expect_none(20);
  auto* mutexes = static_cast<pthread_mutex_t*>(shared_memory(4096));
  make_mutex(&mutexes[0], kRobust, true);
  make_mutex(&mutexes[1], kRobust, true);
  int alive = 0;
  for (unsigned n = 0;; ++n) {
    start_mortal([=, &stage] {
      Chance chance(n);
      for (int i = 0; i < 2; ++i) {
        const int error = pthread_mutex_lock(&mutexes[i]);
        if (error == EOWNERDEAD) must_zero(pthread_mutex_consistent(&mutexes[i]), "pthread_mutex_consistent");
        else must_zero(error, "pthread_mutex_lock");
      }
      work_for(static_cast<long>(chance.below(1000)));
      stage.moved();
      if (chance.below(2) == 0) kill(getpid(), SIGKILL);
      unlock(&mutexes[1]);
      unlock(&mutexes[0]);
    });
    if (++alive < 8) continue;
    must(waitpid(-1, nullptr, 0) > 0, "waitpid");
    --alive;
  }
}

constexpr Scenario kScenarios[] = {
    {"wait_for_any_child", any_child},
    {"request_and_reply", request_and_reply},
    {"robust_survivors", robust_survivors},
};

}  // namespace

std::span<const Scenario> process_traffic() { return kScenarios; }

}  // namespace puppet
