// SPDX-License-Identifier: Apache-2.0
// Threads that take random locks for random times, and say in shared memory who holds what.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "play.h"

enum { RACED = 11 };

static union {
  pthread_mutex_t mutex;
  pthread_rwlock_t rwlock;
} locks[RACED];

static int is_rwlock(int i) { return i >= 8; }

static void make_locks(void) {
  for (int i = 0; i < 8; i++) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    switch (i) {
      case 1: pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE); break;
      case 2: pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK); break;
#ifdef __GLIBC__
      case 3: pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ADAPTIVE_NP); break;
#endif
      case 4: pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST); break;
      case 5: pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT); break;
      case 6: pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED); break;
      default: break;
    }
    must(pthread_mutex_init(&locks[i].mutex, &a) == 0, "pthread_mutex_init");
  }
  for (int i = 8; i < RACED; i++) {
    pthread_rwlockattr_t a;
    pthread_rwlockattr_init(&a);
#ifdef __GLIBC__
    if (i == 9) pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
    must(pthread_rwlock_init(&locks[i].rwlock, &a) == 0, "pthread_rwlock_init");
  }
  for (int i = 0; i < RACED; i++) table->locks[i].base = (uint64_t)(uintptr_t)&locks[i];
}

static void publish(int i, uint32_t holder) {
  if (holder == 0) __atomic_store_n(&table->locks[i].holder, 0, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&table->locks[i].changes, 1, __ATOMIC_SEQ_CST);
  if (holder != 0) __atomic_store_n(&table->locks[i].holder, holder, __ATOMIC_SEQ_CST);
}

static void work(unsigned* seed) {
  struct timespec t = {0, 1000 * (long)((unsigned)rand_r(seed) % 2000)};
  if (rand_r(seed) % 3 != 0) nanosleep(&t, NULL);
}

static void* racer(void* number) {
  unsigned seed = (unsigned)(uintptr_t)number * 7919 + 1;
  uint32_t me = own_tid();
  for (;;) {
    int i = rand_r(&seed) % RACED;
    int reads = is_rwlock(i) && rand_r(&seed) % 2;
    if (!is_rwlock(i)) pthread_mutex_lock(&locks[i].mutex);
    else if (reads) pthread_rwlock_rdlock(&locks[i].rwlock);
    else pthread_rwlock_wrlock(&locks[i].rwlock);
    if (!reads) publish(i, me);
    work(&seed);
    if (!reads) publish(i, 0);
    if (is_rwlock(i)) pthread_rwlock_unlock(&locks[i].rwlock);
    else pthread_mutex_unlock(&locks[i].mutex);
  }
  return NULL;
}

void race(int threads) {
  make_locks();
  table->waiter_pid = (uint32_t)getpid();
  for (int i = 0; i < threads; i++) {
    pthread_t t;
    must(pthread_create(&t, NULL, racer, (void*)(uintptr_t)i) == 0, "pthread_create");
  }
  __atomic_store_n(&table->ready, 1, __ATOMIC_RELEASE);
  sleep_for_good();
}
