// SPDX-License-Identifier: Apache-2.0
// Right: the workers take pool, then configuration; main takes them the other way round after it has joined them.
#include "../program.h"

static pthread_mutex_t configuration = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pool = PTHREAD_MUTEX_INITIALIZER;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&pool));
  MUST(pthread_mutex_lock(&configuration));
  MUST(pthread_mutex_unlock(&configuration));
  MUST(pthread_mutex_unlock(&pool));
  return unused;
}

NOT_INLINE static void tear_down(void) {
  MUST(pthread_mutex_lock(&configuration));
  MUST(pthread_mutex_lock(&pool));
  MUST(pthread_mutex_unlock(&pool));
  MUST(pthread_mutex_unlock(&configuration));
}

int main(void) {
  pthread_t one = start(worker, NULL), other = start(worker, NULL);
  finish(one);
  finish(other);
  tear_down();
}
