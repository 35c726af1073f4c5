// SPDX-License-Identifier: Apache-2.0
// Right: objects whose lock is unlocked are freed without a destroy, as many programs do, and the memory becomes
// another object with another kind of lock, made anew.
#include "../program.h"

static void* place;  // what malloc gives for all of them

static void first(void) {
  pthread_mutex_t* lock = (pthread_mutex_t*)memset(place, 0, sizeof(pthread_rwlock_t));
  MUST(pthread_mutex_init(lock, NULL));
  MUST(pthread_mutex_lock(lock));
  MUST(pthread_mutex_unlock(lock));
}

static void second(void) {
  pthread_rwlock_t* lock = (pthread_rwlock_t*)memset(place, 0, sizeof(pthread_rwlock_t));
  MUST(pthread_rwlock_init(lock, NULL));
  for (int i = 0; i < 2; ++i) MUST(pthread_rwlock_rdlock(lock));
  for (int i = 0; i < 2; ++i) MUST(pthread_rwlock_unlock(lock));
}

static void third(void) {
  pthread_mutexattr_t kind;
  pthread_mutex_t* lock = (pthread_mutex_t*)memset(place, 0, sizeof(pthread_rwlock_t));
  MUST(pthread_mutexattr_init(&kind));
  MUST(pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE));
  MUST(pthread_mutex_init(lock, &kind));
  for (int i = 0; i < 2; ++i) MUST(pthread_mutex_lock(lock));
  for (int i = 0; i < 2; ++i) MUST(pthread_mutex_unlock(lock));
  MUST(pthread_mutex_destroy(lock));
}

int main(void) {
  place = malloc(sizeof(pthread_rwlock_t));
  IN_TURN(first, second, third, first, second);
}
