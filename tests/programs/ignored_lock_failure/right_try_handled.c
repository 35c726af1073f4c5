// SPDX-License-Identifier: Apache-2.0
// Right: a failed try is followed by other work, by another try or by a wait; unlocked is only what was got.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;
static sem_t locked, tried, unlocked;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  MUST(pthread_rwlock_rdlock(&routes));
  pass(&locked);
  wait_for(&tried);
  MUST(pthread_rwlock_unlock(&routes));
  MUST(pthread_mutex_unlock(&jobs));
  pass(&unlocked);
  return unused;
}

int main(void) {
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  GIVES(EBUSY, pthread_mutex_trylock(&jobs));
  GIVES(EBUSY, pthread_mutex_trylock(&jobs));
  GIVES(EBUSY, pthread_rwlock_trywrlock(&routes));
  MUST(pthread_rwlock_tryrdlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
  pass(&tried);
  MUST(pthread_mutex_lock(&jobs));
  MUST(pthread_mutex_unlock(&jobs));
  wait_for(&unlocked);
  MUST(pthread_rwlock_trywrlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
  finish(thread);
}
