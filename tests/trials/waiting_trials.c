// SPDX-License-Identifier: Apache-2.0
// Condition variables, semaphores, barriers, once, join: what nobody holds, and the end of a thread.
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "play.h"

enum { PLAIN = 0, TIMED = 1, CLOCK = 2, SHARED = 4, MONOTONIC = 8 };

static void wait_cond(struct trial* trial, void* object) {
  pthread_mutex_t* m = (void*)(uintptr_t)trial->needs_mutex;
  struct timespec t;
  pthread_mutex_lock(m);
  if (playing->variant & TIMED) {
    t = in_an_hour(playing->variant & MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME);
    pthread_cond_timedwait(object, m, &t);
#ifdef __GLIBC__
  } else if (playing->variant & CLOCK) {
    t = in_an_hour(CLOCK_MONOTONIC);
    pthread_cond_clockwait(object, m, CLOCK_MONOTONIC, &t);
#endif
  } else {
    pthread_cond_wait(object, m);
  }
}

static void play_cond(struct trial* trial, int index) {
  int sharing = playing->variant & SHARED ? PTHREAD_PROCESS_SHARED : PTHREAD_PROCESS_PRIVATE;
  pthread_cond_t* c = place_object(index, sizeof *c);
  pthread_condattr_t ca;
  pthread_condattr_init(&ca);
  pthread_condattr_setpshared(&ca, sharing);
  pthread_condattr_setclock(&ca, playing->variant & MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME);
  must(pthread_cond_init(c, &ca) == 0, "pthread_cond_init");
  pthread_mutex_t* m = place_companion(index, sizeof *m);
  pthread_mutexattr_t ma;
  pthread_mutexattr_init(&ma);
  pthread_mutexattr_setpshared(&ma, sharing);
  must(pthread_mutex_init(m, &ma) == 0, "pthread_mutex_init");
  /* Waits that ended before leave their traces in the counters. */
  struct timespec past = {1, 0};
  for (int i = index % 4; i > 0; i--) {
    pthread_mutex_lock(m);
    pthread_cond_timedwait(c, m, &past);
    pthread_mutex_unlock(m);
  }
  set_truth(trial, "cond", c, 0);
  trial->needs_mutex = (uint64_t)(uintptr_t)m;
  start_waiter(trial, wait_cond, c);
}

static void wait_sem(struct trial* trial, void* object) {
  (void)trial;
  struct timespec t;
  if (playing->variant & TIMED) {
    t = in_an_hour(CLOCK_REALTIME);
    sem_timedwait(object, &t);
#ifdef __GLIBC__
  } else if (playing->variant & CLOCK) {
    t = in_an_hour(CLOCK_MONOTONIC);
    sem_clockwait(object, CLOCK_MONOTONIC, &t);
#endif
  } else {
    sem_wait(object);
  }
}

static void play_sem(struct trial* trial, int index) {
  sem_t* s = place_object(index, sizeof *s);
  must(sem_init(s, playing->variant & SHARED, 0) == 0, "sem_init");
  set_truth(trial, "sem", s, 0);
  start_waiter(trial, wait_sem, s);
}

static void wait_barrier(struct trial* trial, void* object) {
  (void)trial;
  pthread_barrier_wait(object);
}

static void play_barrier(struct trial* trial, int index) {
  pthread_barrier_t* b = place_object(index, sizeof *b);
  pthread_barrierattr_t a;
  pthread_barrierattr_init(&a);
  if (playing->variant & SHARED) pthread_barrierattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  must(pthread_barrier_init(b, &a, 2 + (unsigned)index % 3) == 0, "pthread_barrier_init");
  set_truth(trial, "barrier", b, 0);
  start_waiter(trial, wait_barrier, b);
}

static void initialise(void) {
  acted();
  sleep_for_good();
}

static void run_once(void* object) { pthread_once(object, initialise); }

static void wait_once(struct trial* trial, void* object) {
  (void)trial;
  pthread_once(object, initialise);
}

static void play_once(struct trial* trial, int index) {
  pthread_once_t* o = place_object(index, sizeof *o);
  *o = (pthread_once_t)PTHREAD_ONCE_INIT;
  have_stuck_thread(run_once, o);
  set_truth(trial, "once", o, 0);
  start_waiter(trial, wait_once, o);
}

static pthread_t targets[TRIAL_MAX];

static void become_target(void* object) {
  *(pthread_t*)object = pthread_self();
  acted();
  sleep_for_good();
}

static void wait_join(struct trial* trial, void* object) {
  (void)trial;
  pthread_t* target = object;
#ifdef __GLIBC__
  struct timespec t;
  if (playing->variant & TIMED) {
    t = in_an_hour(CLOCK_REALTIME);
    pthread_timedjoin_np(*target, NULL, &t);
    return;
  }
  if (playing->variant & CLOCK) {
    t = in_an_hour(CLOCK_MONOTONIC);
    pthread_clockjoin_np(*target, NULL, CLOCK_MONOTONIC, &t);
    return;
  }
#endif
  pthread_join(*target, NULL);
}

static void play_join(struct trial* trial, int index) {
  uint32_t tid = have_stuck_thread(become_target, &targets[index]);
  set_truth(trial, "join", (void*)(uintptr_t)targets[index], tid);
  start_waiter(trial, wait_join, &targets[index]);
}

const struct primitive waiting_primitives[] = {
    {"cond:wait", play_cond, 0, PLAIN},
    {"cond:wait:monotonic", play_cond, 0, MONOTONIC},
    {"cond:timed", play_cond, 0, TIMED},
    {"cond:timed:monotonic", play_cond, 0, TIMED | MONOTONIC},
    {"cond:wait:shared", play_cond, 1, SHARED},
    {"cond:timed:shared", play_cond, 1, TIMED | SHARED},
    {"sem:wait", play_sem, 0, PLAIN},
    {"sem:timed", play_sem, 0, TIMED},
    {"sem:wait:shared", play_sem, 1, SHARED},
    {"sem:timed:shared", play_sem, 1, TIMED | SHARED},
    {"barrier", play_barrier, 0, PLAIN},
    {"barrier:shared", play_barrier, 1, SHARED},
    {"once", play_once, 0, PLAIN},
    {"join", play_join, 0, PLAIN},
#ifdef __GLIBC__
    {"cond:clock", play_cond, 0, CLOCK},
    {"sem:clock", play_sem, 0, CLOCK},
    {"join:timed", play_join, 0, TIMED},
    {"join:clock", play_join, 0, CLOCK},
#endif
    {0},
};
