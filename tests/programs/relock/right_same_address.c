// SPDX-License-Identifier: Apache-2.0
// Right: threads that come one after the other lock mutexes on their stacks, which are the same memory each time. The
// mutexes are locked no more when a thread ends, as nobody destroys what a static initializer made.
#include "../program.h"

static void* worker(void* unused) {
  pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  struct timespec limit = in_ms(CLOCK_REALTIME, 5);
  MUST(pthread_mutex_lock(&own));
  GIVES(ETIMEDOUT, pthread_cond_timedwait(&never, &own, &limit));
  MUST(pthread_mutex_unlock(&own));
  return unused;
}

int main(void) {
  for (int i = 0; i < 10; ++i) finish(start(worker, NULL));
}
