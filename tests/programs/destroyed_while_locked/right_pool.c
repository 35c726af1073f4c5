// SPDX-License-Identifier: Apache-2.0
// Right: the same memory is a mutex, a recursive mutex, a read-write lock and a spin lock in turn, properly made,
// used and destroyed each time, by different threads.
#include "../program.h"

static union {
  pthread_mutex_t mutex;
  pthread_rwlock_t rwlock;
  pthread_spinlock_t spin;
} block;

static void as_mutex(void) {
  MUST(pthread_mutex_init(&block.mutex, NULL));
  MUST(pthread_mutex_lock(&block.mutex));
  GIVES(EBUSY, pthread_mutex_trylock(&block.mutex));
  MUST(pthread_mutex_unlock(&block.mutex));
  MUST(pthread_mutex_destroy(&block.mutex));
}

static void as_recursive(void) {
  pthread_mutexattr_t kind;
  MUST(pthread_mutexattr_init(&kind));
  MUST(pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE));
  MUST(pthread_mutex_init(&block.mutex, &kind));
  MUST(pthread_mutex_lock(&block.mutex));
  MUST(pthread_mutex_lock(&block.mutex));
  MUST(pthread_mutex_unlock(&block.mutex));
  MUST(pthread_mutex_unlock(&block.mutex));
  MUST(pthread_mutex_destroy(&block.mutex));
}

static void as_rwlock(void) {
  MUST(pthread_rwlock_init(&block.rwlock, NULL));
  MUST(pthread_rwlock_rdlock(&block.rwlock));
  MUST(pthread_rwlock_rdlock(&block.rwlock));
  MUST(pthread_rwlock_unlock(&block.rwlock));
  MUST(pthread_rwlock_unlock(&block.rwlock));
  MUST(pthread_rwlock_destroy(&block.rwlock));
}

static void as_spin(void) {
  MUST(pthread_spin_init(&block.spin, PTHREAD_PROCESS_PRIVATE));
  MUST(pthread_spin_lock(&block.spin));
  MUST(pthread_spin_unlock(&block.spin));
  MUST(pthread_spin_destroy(&block.spin));
}

int main(void) { IN_TURN(as_mutex, as_recursive, as_rwlock, as_spin, as_mutex); }
