// SPDX-License-Identifier: Apache-2.0
// Right: waiting for a condition with a second lock held, where that lock is private to the waiter: nobody else
// takes it.
#include "../program.h"

static pthread_mutex_t queue = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static int items;

static void consume(void) {
  MUST(pthread_mutex_lock(&queue));
  MUST(pthread_mutex_lock(&own));
  while (items == 0) MUST(pthread_cond_wait(&not_empty, &queue));
  MUST(pthread_mutex_unlock(&own));
  MUST(pthread_mutex_unlock(&queue));
}

static void produce(void) {
  MUST(pthread_mutex_lock(&queue));
  items = 1;
  MUST(pthread_cond_signal(&not_empty));
  MUST(pthread_mutex_unlock(&queue));
}

int main(void) { AT_ONCE(consume, produce); }
