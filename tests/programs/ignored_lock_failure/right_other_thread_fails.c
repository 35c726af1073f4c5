// SPDX-License-Identifier: Apache-2.0
// Right: one thread fails to get the lock that another one holds and, later, unlocks as it should; the failure is
// not its.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked, tried;

static void* holder(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  pass(&locked);
  wait_for(&tried);
  MUST(pthread_mutex_unlock(&jobs));
  return unused;
}

static void* trier(void* unused) {
  struct timespec limit = in_ms(CLOCK_REALTIME, 5);
  GIVES(EBUSY, pthread_mutex_trylock(&jobs));
  GIVES(ETIMEDOUT, pthread_mutex_timedlock(&jobs, &limit));
  return unused;
}

int main(void) {
  pthread_t thread = start(holder, NULL);
  wait_for(&locked);
  finish(start(trier, NULL));
  pass(&tried);
  finish(thread);
}
