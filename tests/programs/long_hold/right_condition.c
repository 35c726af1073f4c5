// SPDX-License-Identifier: Apache-2.0
// Right: 300 ms from lock to unlock, but all of it in condition waits, in which the mutex is free, as another thread
// proves.
#include "../program.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ready;

static void* waiter(void* unused) {
  struct timespec limit = in_ms(CLOCK_REALTIME, 150);
  pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  MUST(pthread_mutex_lock(&lock));
  GIVES(ETIMEDOUT, pthread_cond_timedwait(&never, &lock, &limit));
  while (!ready) MUST(pthread_cond_wait(&changed, &lock));
  MUST(pthread_mutex_unlock(&lock));
  return unused;
}

int main(void) {
  pthread_t thread = start(waiter, NULL);
  for (int i = 0; i < 30; ++i) {
    MUST(pthread_mutex_lock(&lock));
    MUST(pthread_mutex_unlock(&lock));
    pause_ms(10);
  }
  MUST(pthread_mutex_lock(&lock));
  ready = 1;
  MUST(pthread_cond_signal(&changed));
  MUST(pthread_mutex_unlock(&lock));
  finish(thread);
}
