// SPDX-License-Identifier: Apache-2.0
// Right: all threads pass a barrier between the phase that takes rows first and the one that takes columns first.
#include "../program.h"

static pthread_mutex_t rows = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t columns = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t between;

static void work(void) {
  MUST(pthread_mutex_lock(&rows));
  MUST(pthread_mutex_lock(&columns));
  MUST(pthread_mutex_unlock(&columns));
  MUST(pthread_mutex_unlock(&rows));
  pthread_barrier_wait(&between);
  MUST(pthread_mutex_lock(&columns));
  MUST(pthread_mutex_lock(&rows));
  MUST(pthread_mutex_unlock(&rows));
  MUST(pthread_mutex_unlock(&columns));
}

int main(void) {
  MUST(pthread_barrier_init(&between, NULL, 3));
  AT_ONCE(work, work, work);
  MUST(pthread_barrier_destroy(&between));
}
