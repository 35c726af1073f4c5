// SPDX-License-Identifier: Apache-2.0
// What programs here use of glibc's and musl has not, by what musl has. Put in front of each by scripts/test-libcs.
#pragma once

#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#define PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP \
  {                                             \
    {                                           \
      { PTHREAD_MUTEX_ERRORCHECK }              \
    }                                           \
  }
#define PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP \
  {                                            \
    {                                          \
      { PTHREAD_MUTEX_RECURSIVE }              \
    }                                          \
  }
#define PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP PTHREAD_MUTEX_INITIALIZER
#define PTHREAD_MUTEX_ADAPTIVE_NP PTHREAD_MUTEX_NORMAL
#define PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP 0

static inline int pthread_rwlockattr_setkind_np(pthread_rwlockattr_t* attributes, int kind) {
  (void)attributes;
  return kind;
}

// The same moment by CLOCK_REALTIME, the only one that musl waits by.
static inline struct timespec by_wall_clock(clockid_t clock, const struct timespec* when) {
  struct timespec there, here;
  clock_gettime(clock, &there);
  clock_gettime(CLOCK_REALTIME, &here);
  const long nanoseconds = here.tv_nsec + when->tv_nsec - there.tv_nsec + 1000000000L;
  here.tv_sec += when->tv_sec - there.tv_sec - 1 + nanoseconds / 1000000000L;
  here.tv_nsec = nanoseconds % 1000000000L;
  return here;
}
#define BY_WALL_CLOCK(clock, when) (&(struct timespec[]){by_wall_clock(clock, when)}[0])
#define pthread_mutex_clocklock(lock, clock, when) pthread_mutex_timedlock(lock, BY_WALL_CLOCK(clock, when))
#define pthread_rwlock_clockrdlock(lock, clock, when) pthread_rwlock_timedrdlock(lock, BY_WALL_CLOCK(clock, when))
#define pthread_rwlock_clockwrlock(lock, clock, when) pthread_rwlock_timedwrlock(lock, BY_WALL_CLOCK(clock, when))
#define pthread_cond_clockwait(condition, lock, clock, when) \
  pthread_cond_timedwait(condition, lock, BY_WALL_CLOCK(clock, when))
#define sem_clockwait(semaphore, clock, when) sem_timedwait(semaphore, BY_WALL_CLOCK(clock, when))
