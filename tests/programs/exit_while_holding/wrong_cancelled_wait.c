// SPDX-License-Identifier: Apache-2.0
// Wrong: a thread is cancelled while it waits for a condition. The wait takes the mutex again before it goes, and
// there is no cleanup handler that would give it back.
#include "../program.h"

static pthread_mutex_t queue = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static int waiting;

static void* consumer(void* unused) {
  MUST(pthread_mutex_lock(&queue));
  waiting = 1;
  for (;;) MUST(pthread_cond_wait(&not_empty, &queue));
  return unused;
}

int main(void) {
  pthread_t thread = start(consumer, NULL);
  for (int seen = 0; !seen;) {
    MUST(pthread_mutex_lock(&queue));
    seen = waiting;
    MUST(pthread_mutex_unlock(&queue));
  }
  MUST(pthread_cancel(thread));
  finish(thread);
  GIVES(EBUSY, pthread_mutex_trylock(&queue));
}
