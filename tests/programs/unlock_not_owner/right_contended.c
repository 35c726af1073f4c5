// SPDX-License-Identifier: Apache-2.0
// Right: eight threads fight for a mutex of each kind, with waits, tries and timed waits; each unlocks what it got.
#include <sched.h>

#include "../program.h"

enum { kKinds = 6 };
static pthread_mutex_t locks[kKinds];
static long counts[kKinds];

static void make(int number, int kind, int protocol, int robust) {
  pthread_mutexattr_t attributes;
  MUST(pthread_mutexattr_init(&attributes));
  MUST(pthread_mutexattr_settype(&attributes, kind));
  MUST(pthread_mutexattr_setprotocol(&attributes, protocol));
  MUST(pthread_mutexattr_setrobust(&attributes, robust));
  MUST(pthread_mutex_init(&locks[number], &attributes));
}

static void work(void) {
  struct timespec limit = in_ms(CLOCK_REALTIME, 30000);
  for (int i = 0; i < 600; ++i) {
    pthread_mutex_t* lock = &locks[i % kKinds];
    int error = i % 3 == 1 ? pthread_mutex_trylock(lock) : EBUSY;
    if (error == EBUSY) error = i % 3 == 2 ? pthread_mutex_timedlock(lock, &limit) : pthread_mutex_lock(lock);
    if (error != 0) exit(1);
    ++counts[i % kKinds];
    if (i % 64 == 0) sched_yield();
    MUST(pthread_mutex_unlock(lock));
  }
}

int main(void) {
  make(0, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
  make(1, PTHREAD_MUTEX_RECURSIVE, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
  make(2, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
  make(3, PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_STALLED);
  make(4, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT, PTHREAD_MUTEX_STALLED);
  make(5, PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, PTHREAD_MUTEX_ROBUST);
  AT_ONCE(work, work, work, work, work, work, work, work);
  for (int i = 0; i < kKinds; ++i) {
    if (counts[i] != 800) return 1;
  }
}
