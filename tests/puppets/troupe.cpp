// SPDX-License-Identifier: Apache-2.0
#include "troupe.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <utility>

namespace puppet {
namespace {

constexpr std::size_t kStackBytes = 128 * 1024;
constexpr int kDecoys = 5;

void* run_thread(void* argument) {
  const std::unique_ptr<std::function<void()>> body(static_cast<std::function<void()>*>(argument));
  (*body)();
  return nullptr;
}

pthread_t start(std::function<void()> body, bool detached) {
  pthread_attr_t attributes;
  must_zero(pthread_attr_init(&attributes), "pthread_attr_init");
  must_zero(pthread_attr_setstacksize(&attributes, kStackBytes), "pthread_attr_setstacksize");
  if (detached) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread{};
  auto owned = std::make_unique<std::function<void()>>(std::move(body));
  must_zero(pthread_create(&thread, &attributes, run_thread, owned.get()), "pthread_create");
  [[maybe_unused]] const auto* given = owned.release();
  pthread_attr_destroy(&attributes);
  return thread;
}

// Never returns; each kind of sleep that a pool of idle threads is found in.
void idle(int kind, std::atomic<int>& started) {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  sem_t sem;
  sem_init(&sem, 0, 0);
  started.fetch_add(1);
  for (;;) {
    switch (kind % 5) {
      case 0: pause(); break;
      case 1:
        pthread_mutex_lock(&mutex);
        pthread_cond_wait(&cond, &mutex);
        pthread_mutex_unlock(&mutex);
        break;
      case 2: {
        const timespec long_time{3600, 0};
        nanosleep(&long_time, nullptr);
        break;
      }
      case 3: poll(nullptr, 0, -1); break;
      default: sem_wait(&sem); break;
    }
  }
}

void imitate_number(pid_t number) {
  const int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;  // a kernel without it: the decoys alone make the numbers differ
  char text[16];
  const int length = snprintf(text, sizeof text, "%d", number - 1);
  [[maybe_unused]] const ssize_t written = write(fd, text, static_cast<std::size_t>(length));
  close(fd);
}

[[noreturn]] void descend(Stage& stage, int depth, pid_t number_to_imitate, const std::function<void()>& body) {
  must(unshare(CLONE_NEWPID) == 0, "unshare(CLONE_NEWPID)");
  start_mortal([&] {
    for (int i = 0; i < kDecoys; ++i) start_mortal(rest);
    if (depth > 1) descend(stage, depth - 1, number_to_imitate, body);
    imitate_number(number_to_imitate);
    start_process(stage, body);
    rest();
  });
  rest();
}

}  // namespace

pthread_t start_thread(std::function<void()> body) { return start(std::move(body), false); }
void start_detached(std::function<void()> body) { start(std::move(body), true); }

void die_with_parent() { prctl(PR_SET_PDEATHSIG, SIGKILL); }

pid_t start_mortal(std::function<void()> body) {
  const pid_t parent = getpid();
  const pid_t child = fork();
  must(child >= 0, "fork");
  if (child > 0) return child;
  die_with_parent();
  // Across a namespace the parent's number is 0; there the init of the namespace takes care.
  if (getppid() != parent && getppid() != 0) _exit(71);
  body();
  _exit(0);
}

pid_t start_process(Stage& stage, std::function<void()> body) {
  return start_mortal([&stage, body = std::move(body)] {
    add_idle_threads(stage.idle_inside);
    body();
    rest();
  });
}

void rest() {
  for (;;) pause();
}

void add_idle_threads(int count) {
  static std::atomic<int> started;
  started = 0;
  for (int i = 0; i < count; ++i) start_detached([i] { idle(i, started); });
  while (started < count) poll_pause();
}

pid_t start_idle_process(Stage& stage, int threads) {
  constexpr int kIdleGate = kMaxGates - 1;
  const int before = stage.gates[kIdleGate];
  const pid_t child = start_mortal([&stage, threads] {
    setpgid(0, 0);
    add_idle_threads(threads);
    stage.arrive(kIdleGate);
    rest();
  });
  setpgid(child, child);
  stage.await(kIdleGate, before + 1);
  return child;
}

pid_t start_below(Stage& stage, int depth, pid_t number_to_imitate, const std::function<void()>& body) {
  const pid_t group = start_mortal([&] {
    setpgid(0, 0);
    if (depth > 0) descend(stage, depth, number_to_imitate, body);
    add_idle_threads(stage.idle_inside);
    body();
    rest();
  });
  setpgid(group, group);
  return group;
}

}  // namespace puppet
