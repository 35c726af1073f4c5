// SPDX-License-Identifier: Apache-2.0
// Mutexes of every type and protocol, by every call, and C11's.
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <unistd.h>

#include "play.h"

enum type { NORMAL, RECURSIVE, ERRORCHECK, ADAPTIVE, TYPES };
enum protocol { PLAIN, SHARED, ROBUST, ROBUST_SHARED, PI, PI_SHARED, PI_ROBUST, PP, PROTOCOLS };
enum call { LOCK, TIMED, CLOCK, CALLS };
enum owner { HOLDER, SELF };

struct shape {
  enum type type;
  enum protocol protocol;
  enum call call;
  enum owner owner;
};

static const char* const type_names[] = {"normal", "recursive", "errorcheck", "adaptive"};
static const char* const protocol_names[] = {"plain", "shared",    "robust",    "robust_shared",
                                             "pi",    "pi_shared", "pi_robust", "pp"};
static const char* const call_names[] = {"lock", "timed", "clock"};

static int is_shared(enum protocol p) { return p == SHARED || p == ROBUST_SHARED || p == PI_SHARED; }

static int make(pthread_mutex_t* m, struct shape s) {
  static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
#ifdef __GLIBC__
                              PTHREAD_MUTEX_ADAPTIVE_NP
#else
                               PTHREAD_MUTEX_NORMAL
#endif
  };
  pthread_mutexattr_t a;
  pthread_mutexattr_init(&a);
  int wrong = pthread_mutexattr_settype(&a, types[s.type]);
  if (is_shared(s.protocol)) wrong |= pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
  if (s.protocol == ROBUST || s.protocol == ROBUST_SHARED || s.protocol == PI_ROBUST)
    wrong |= pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
  if (s.protocol == PI || s.protocol == PI_SHARED || s.protocol == PI_ROBUST)
    wrong |= pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
#ifdef __GLIBC__
  if (s.protocol == PP) {
    wrong |= pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT);
    wrong |= pthread_mutexattr_setprioceiling(&a, 10);
  }
#endif
  return wrong | pthread_mutex_init(m, &a);
}

static const char* kind_of(struct shape s) {
  static const char* const by_type[] = {"mutex", "recursive_mutex", "errorcheck_mutex", "adaptive_mutex"};
  switch (s.protocol) {
    case PLAIN:
    case SHARED: return by_type[s.type];
    case ROBUST:
    case ROBUST_SHARED: return "robust_mutex";
    case PP: return "priority_protect_mutex";
    default: return "pi_mutex";
  }
}

static struct shape shape_of(int variant) {
  return (struct shape){(enum type)(variant & 15), (enum protocol)(variant >> 4 & 15), (enum call)(variant >> 8 & 15),
                        (enum owner)(variant >> 12 & 15)};
}

static int use_real_time(void) {
  struct sched_param p = {.sched_priority = 2};
  return pthread_setschedparam(pthread_self(), SCHED_FIFO, &p);
}

static void hold(void* object) {
  struct shape s = shape_of(playing->variant);
  if (s.protocol == PP) use_real_time();
  int error = pthread_mutex_lock(object);
  if (s.type == RECURSIVE && error == 0) error = pthread_mutex_lock(object);
  errno = error;
  must(error == 0, "pthread_mutex_lock by the holder");
}

static void wait_for(struct trial* trial, void* object) {
  (void)trial;
  struct shape s = shape_of(playing->variant);
  struct timespec t;
  if (s.protocol == PP) use_real_time();
  if (s.owner == SELF) pthread_mutex_lock(object);
  switch (s.call) {
    case LOCK: pthread_mutex_lock(object); break;
    case TIMED:
      t = in_an_hour(CLOCK_REALTIME);
      pthread_mutex_timedlock(object, &t);
      break;
    default:
#ifdef __GLIBC__
      t = in_an_hour(CLOCK_MONOTONIC);
      pthread_mutex_clocklock(object, CLOCK_MONOTONIC, &t);
#endif
      break;
  }
}

static void play_mutex(struct trial* trial, int index) {
  struct shape s = shape_of(playing->variant);
  if (s.protocol == PP) {
    struct sched_param p = {.sched_priority = 2}, old = {0};
    if (sched_setscheduler(0, SCHED_FIFO, &p) != 0) skip("no real-time priority");
    sched_setscheduler(0, SCHED_OTHER, &old);
  }
  pthread_mutex_t* m = place_object(index, sizeof *m);
  if (make(m, s) != 0) skip("the library has no such mutex");
  set_truth(trial, kind_of(s), m, s.owner == SELF ? 0 : have_holder(index, hold, m));
  start_waiter(trial, wait_for, m);
  /* What a thread that waits for itself is called is known when it runs. */
  while (s.owner == SELF && __atomic_load_n(&trial->waiter_tid, __ATOMIC_ACQUIRE) == 0) sched_yield();
  if (s.owner == SELF) trial->owner_tid = trial->waiter_tid;
}

static int c11_type(void) { return playing->variant; }

static void hold_c11(void* object) { must(mtx_lock(object) == thrd_success, "mtx_lock"); }

static void wait_c11(struct trial* trial, void* object) {
  (void)trial;
  struct timespec t = in_an_hour(CLOCK_REALTIME);
  if (c11_type() & mtx_timed) mtx_timedlock(object, &t);
  else mtx_lock(object);
}

static void play_c11(struct trial* trial, int index) {
  mtx_t* m = place_object(index, sizeof *m);
  must(mtx_init(m, c11_type()) == thrd_success, "mtx_init");
  set_truth(trial, c11_type() & mtx_recursive ? "recursive_mutex" : "mutex", m, have_holder(index, hold_c11, m));
  start_waiter(trial, wait_c11, m);
}

static int legal(struct shape s) {
#ifndef __GLIBC__
  if (s.type == ADAPTIVE || s.protocol == PP || s.call == CLOCK) return 0;
    /* musl keeps no owner in normal mutexes, and its timed lock of a PI mutex is not one of the kernel's. */
#endif
  if (s.owner == SELF) return s.call == LOCK && (s.type == NORMAL || s.type == ADAPTIVE) && !is_shared(s.protocol);
  return 1;
}

const struct primitive* mutex_primitives(void) {
  static struct primitive rows[400];
  int n = 0;
  for (int v = 0; v < 1 << 13; v++) {
    struct shape s = shape_of(v);
    if (s.type >= TYPES || s.protocol >= PROTOCOLS || s.call >= CALLS || !legal(s)) continue;
    for (int across = 0; across <= is_shared(s.protocol); across++) {
      char name[64];
      snprintf(name, sizeof name, "mutex:%s:%s:%s%s%s", type_names[s.type], protocol_names[s.protocol],
               call_names[s.call], s.owner == SELF ? ":self" : "", across ? ":across" : "");
      rows[n++] = (struct primitive){strdup(name), play_mutex, across, v};
    }
  }
  rows[n++] = (struct primitive){"c11:plain", play_c11, 0, mtx_plain};
  rows[n++] = (struct primitive){"c11:timed", play_c11, 0, mtx_timed};
  rows[n++] = (struct primitive){"c11:recursive", play_c11, 0, mtx_plain | mtx_recursive};
  rows[n++] = (struct primitive){"c11:recursive:timed", play_c11, 0, mtx_timed | mtx_recursive};
  return rows;
}
