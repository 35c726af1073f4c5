// SPDX-License-Identifier: Apache-2.0
// Readers behind a writer, writers behind readers or a writer, and readers behind a writer that is next.
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "play.h"

enum { PRIVATE = 0, SHARED = 1, TIMED = 2, CLOCK = 4, PREFER_WRITER = 8 };

static void make(pthread_rwlock_t* l) {
  pthread_rwlockattr_t a;
  pthread_rwlockattr_init(&a);
  if (playing->variant & SHARED) must(pthread_rwlockattr_setpshared(&a, PTHREAD_PROCESS_SHARED) == 0, "setpshared");
#ifdef __GLIBC__
  if (playing->variant & PREFER_WRITER)
    must(pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0, "setkind");
#endif
  must(pthread_rwlock_init(l, &a) == 0, "pthread_rwlock_init");
}

static void hold_to_write(void* l) { must(pthread_rwlock_wrlock(l) == 0, "wrlock"); }
static void hold_to_read(void* l) { must(pthread_rwlock_rdlock(l) == 0, "rdlock"); }

static void wait_to_write(struct trial* trial, void* l) {
  (void)trial;
  struct timespec t;
  if (playing->variant & TIMED) {
    t = in_an_hour(CLOCK_REALTIME);
    pthread_rwlock_timedwrlock(l, &t);
#ifdef __GLIBC__
  } else if (playing->variant & CLOCK) {
    t = in_an_hour(CLOCK_MONOTONIC);
    pthread_rwlock_clockwrlock(l, CLOCK_MONOTONIC, &t);
#endif
  } else {
    pthread_rwlock_wrlock(l);
  }
}

static void wait_to_read(struct trial* trial, void* l) {
  (void)trial;
  struct timespec t;
  if (playing->variant & TIMED) {
    t = in_an_hour(CLOCK_REALTIME);
    pthread_rwlock_timedrdlock(l, &t);
#ifdef __GLIBC__
  } else if (playing->variant & CLOCK) {
    t = in_an_hour(CLOCK_MONOTONIC);
    pthread_rwlock_clockrdlock(l, CLOCK_MONOTONIC, &t);
#endif
  } else {
    pthread_rwlock_rdlock(l);
  }
}

static void reader_behind_writer(struct trial* trial, int index) {
  pthread_rwlock_t* l = place_object(index, sizeof *l);
  make(l);
  set_truth(trial, "rwlock", l, have_holder(index, hold_to_write, l));
  trial->shared_mode = 1;
  start_waiter(trial, wait_to_read, l);
}

static void writer_behind_readers(struct trial* trial, int index) {
  pthread_rwlock_t* l = place_object(index, sizeof *l);
  make(l);
  set_truth(trial, "rwlock", l, 0);
  trial->readers = 1 + (uint32_t)index % 3;
  for (uint32_t i = 0; i < trial->readers; i++) have_holder(index + (int)i, hold_to_read, l);
  start_waiter(trial, wait_to_write, l);
}

static void writer_behind_writer(struct trial* trial, int index) {
  pthread_rwlock_t* l = place_object(index, sizeof *l);
  make(l);
  set_truth(trial, "rwlock", l, have_holder(index, hold_to_write, l));
  start_waiter(trial, wait_to_write, l);
}

#ifdef __GLIBC__
static void wait_behind(void* l) {
  acted();
  pthread_rwlock_wrlock(l);
}

/* A writer that is next: seen in the lock's own state, glibc's __readers bit 1. */
static void await_pending_writer(pthread_rwlock_t* l) {
  while ((__atomic_load_n(&l->__data.__readers, __ATOMIC_ACQUIRE) & 2) == 0) sched_yield();
}

static void reader_behind_pending_writer(struct trial* trial, int index) {
  pthread_rwlock_t* l = place_object(index, sizeof *l);
  make(l);
  set_truth(trial, "rwlock", l, 0);
  trial->readers = 1;
  trial->shared_mode = 1;
  have_holder(index, hold_to_read, l);
  have_stuck_thread(wait_behind, l);
  await_pending_writer(l);
  start_waiter(trial, wait_to_read, l);
}

static void writer_behind_pending_writer(struct trial* trial, int index) {
  pthread_rwlock_t* l = place_object(index, sizeof *l);
  make(l);
  set_truth(trial, "rwlock", l, 0);
  trial->readers = 1 + (uint32_t)index % 3;
  for (uint32_t i = 0; i < trial->readers; i++) have_holder(index + (int)i, hold_to_read, l);
  have_stuck_thread(wait_behind, l);
  await_pending_writer(l);
  start_waiter(trial, wait_to_write, l);
}
#endif

const struct primitive rwlock_primitives[] = {
    {"rwlock:rd<-wr", reader_behind_writer, 0, PRIVATE},
    {"rwlock:rd<-wr:timed", reader_behind_writer, 0, TIMED},
    {"rwlock:rd<-wr:shared", reader_behind_writer, 0, SHARED},
    {"rwlock:rd<-wr:across", reader_behind_writer, 1, SHARED},
    {"rwlock:wr<-rd", writer_behind_readers, 0, PRIVATE},
    {"rwlock:wr<-rd:timed", writer_behind_readers, 0, TIMED},
    {"rwlock:wr<-rd:across", writer_behind_readers, 1, SHARED},
    {"rwlock:wr<-wr", writer_behind_writer, 0, PRIVATE},
    {"rwlock:wr<-wr:timed", writer_behind_writer, 0, TIMED},
    {"rwlock:wr<-wr:shared", writer_behind_writer, 0, SHARED},
    {"rwlock:wr<-wr:across", writer_behind_writer, 1, SHARED},
#ifdef __GLIBC__
    {"rwlock:rd<-wr:clock", reader_behind_writer, 0, CLOCK},
    {"rwlock:wr<-rd:clock", writer_behind_readers, 0, CLOCK},
    {"rwlock:wr<-wr:clock", writer_behind_writer, 0, CLOCK},
    {"rwlock:prefer_writer:rd<-wr", reader_behind_writer, 0, PREFER_WRITER},
    {"rwlock:prefer_writer:wr<-rd", writer_behind_readers, 0, PREFER_WRITER},
    {"rwlock:prefer_writer:wr<-wr", writer_behind_writer, 0, PREFER_WRITER},
    {"rwlock:prefer_writer:rd<-wr_pending", reader_behind_pending_writer, 0, PREFER_WRITER},
    {"rwlock:wr<-wr_pending", writer_behind_pending_writer, 0, PRIVATE},
#endif
    {0},
};
