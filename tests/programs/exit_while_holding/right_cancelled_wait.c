// SPDX-License-Identifier: Apache-2.0
// Right: a thread is cancelled while it waits for a condition; its cleanup handler unlocks the mutex, which the wait
// has taken again. The same with a timed wait.
#include "../program.h"

static pthread_mutex_t queue = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static int waiting;

static void release(void* lock) { MUST(pthread_mutex_unlock((pthread_mutex_t*)lock)); }

static void* consumer(void* timed) {
  struct timespec limit = in_ms(CLOCK_REALTIME, 20000);
  MUST(pthread_mutex_lock(&queue));
  pthread_cleanup_push(release, &queue);
  ++waiting;
  for (;;) {
    if (timed) {
      MUST(pthread_cond_timedwait(&not_empty, &queue, &limit));
    } else {
      MUST(pthread_cond_wait(&not_empty, &queue));
    }
  }
  pthread_cleanup_pop(1);
  return NULL;
}

int main(void) {
  pthread_t one = start(consumer, NULL), other = start(consumer, &queue);
  for (int seen = 0; seen < 2;) {
    MUST(pthread_mutex_lock(&queue));
    seen = waiting;
    MUST(pthread_mutex_unlock(&queue));
  }
  MUST(pthread_cancel(one));
  MUST(pthread_cancel(other));
  finish(one);
  finish(other);
  MUST(pthread_mutex_trylock(&queue));
  MUST(pthread_mutex_unlock(&queue));
}
