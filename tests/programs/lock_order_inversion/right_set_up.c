// SPDX-License-Identifier: Apache-2.0
// Right: main takes configuration, then pool while it sets up, alone; the workers that it starts then take pool, then
// configuration.
#include "../program.h"

static pthread_mutex_t configuration = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pool = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static void set_up(void) {
  MUST(pthread_mutex_lock(&configuration));
  MUST(pthread_mutex_lock(&pool));
  MUST(pthread_mutex_unlock(&pool));
  MUST(pthread_mutex_unlock(&configuration));
}

static void* worker(void* unused) {
  for (int i = 0; i < 100; ++i) {
    MUST(pthread_mutex_lock(&pool));
    MUST(pthread_mutex_lock(&configuration));
    MUST(pthread_mutex_unlock(&configuration));
    MUST(pthread_mutex_unlock(&pool));
  }
  return unused;
}

int main(void) {
  set_up();
  pthread_t one = start(worker, NULL), other = start(worker, NULL);
  finish(one);
  finish(other);
}
