// SPDX-License-Identifier: Apache-2.0
// Right: a mutex of each kind and a read-write lock, taken in every way there is.
#include "../program.h"

static void mutexes(void) {
  static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_RECURSIVE,
                              PTHREAD_MUTEX_ADAPTIVE_NP};
  static const int protocols[] = {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT};
  for (int i = 0; i < 16; ++i) {
    pthread_mutex_t lock;
    pthread_mutexattr_t kind;
    struct timespec limit = in_ms(CLOCK_REALTIME, 20000), steady = in_ms(CLOCK_MONOTONIC, 20000);
    MUST(pthread_mutexattr_init(&kind));
    MUST(pthread_mutexattr_settype(&kind, kinds[i % 4]));
    MUST(pthread_mutexattr_setprotocol(&kind, protocols[i / 4 % 2]));
    MUST(pthread_mutexattr_setrobust(&kind, i / 8 ? PTHREAD_MUTEX_ROBUST : PTHREAD_MUTEX_STALLED));
    MUST(pthread_mutex_init(&lock, &kind));
    MUST(pthread_mutexattr_destroy(&kind));
    MUST(pthread_mutex_lock(&lock));
    MUST(pthread_mutex_unlock(&lock));
    MUST(pthread_mutex_trylock(&lock));
    MUST(pthread_mutex_unlock(&lock));
    MUST(pthread_mutex_timedlock(&lock, &limit));
    MUST(pthread_mutex_unlock(&lock));
    if (i / 4 % 2 == 0) {  // not for priority inheritance before glibc 2.35
      MUST(pthread_mutex_clocklock(&lock, CLOCK_MONOTONIC, &steady));
      MUST(pthread_mutex_unlock(&lock));
    }
    MUST(pthread_mutex_destroy(&lock));
  }
}

static void rwlocks(void) {
  static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
  for (int i = 0; i < 20; ++i) {
    struct timespec limit = in_ms(CLOCK_REALTIME, 20000), steady = in_ms(CLOCK_MONOTONIC, 20000);
    MUST(pthread_rwlock_rdlock(&lock));
    MUST(pthread_rwlock_tryrdlock(&lock));
    MUST(pthread_rwlock_timedrdlock(&lock, &limit));
    MUST(pthread_rwlock_clockrdlock(&lock, CLOCK_MONOTONIC, &steady));
    for (int readers = 0; readers < 4; ++readers) MUST(pthread_rwlock_unlock(&lock));
    MUST(pthread_rwlock_wrlock(&lock));
    MUST(pthread_rwlock_unlock(&lock));
    MUST(pthread_rwlock_trywrlock(&lock));
    MUST(pthread_rwlock_unlock(&lock));
    MUST(pthread_rwlock_timedwrlock(&lock, &limit));
    MUST(pthread_rwlock_unlock(&lock));
    MUST(pthread_rwlock_clockwrlock(&lock, CLOCK_MONOTONIC, &steady));
    MUST(pthread_rwlock_unlock(&lock));
  }
}

static void spin_locks(void) {
  pthread_spinlock_t lock;
  MUST(pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE));
  MUST(pthread_spin_lock(&lock));
  GIVES(EBUSY, pthread_spin_trylock(&lock));
  MUST(pthread_spin_unlock(&lock));
  MUST(pthread_spin_trylock(&lock));
  MUST(pthread_spin_unlock(&lock));
  MUST(pthread_spin_destroy(&lock));
}

int main(void) { IN_TURN(mutexes, rwlocks, spin_locks); }
