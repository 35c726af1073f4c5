// SPDX-License-Identifier: Apache-2.0
// Right: one thread takes rows first, then passes a barrier; another, that takes columns first, passes it before it
// does.
#include "../program.h"

static pthread_mutex_t rows = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t columns = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t between;

static void before(void) {
  for (int i = 0; i < 10; ++i) {
    MUST(pthread_mutex_lock(&rows));
    MUST(pthread_mutex_lock(&columns));
    MUST(pthread_mutex_unlock(&columns));
    MUST(pthread_mutex_unlock(&rows));
  }
  pthread_barrier_wait(&between);
}

static void after(void) {
  pthread_barrier_wait(&between);
  for (int i = 0; i < 10; ++i) {
    MUST(pthread_mutex_lock(&columns));
    MUST(pthread_mutex_lock(&rows));
    MUST(pthread_mutex_unlock(&rows));
    MUST(pthread_mutex_unlock(&columns));
  }
}

int main(void) {
  MUST(pthread_barrier_init(&between, NULL, 2));
  AT_ONCE(before, after);
}
