// SPDX-License-Identifier: Apache-2.0
// Right: producers and consumers; pthread_cond_wait unlocks once and locks again each time, also by chance.
#include "../program.h"

enum { kItems = 200 };
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
static int items;

static void produce(void) {
  for (int i = 0; i < kItems; ++i) {
    MUST(pthread_mutex_lock(&lock));
    while (items == 3) MUST(pthread_cond_wait(&not_full, &lock));
    ++items;
    MUST(pthread_cond_signal(&not_empty));
    MUST(pthread_mutex_unlock(&lock));
  }
}

static void consume(void) {
  for (int i = 0; i < kItems; ++i) {
    MUST(pthread_mutex_lock(&lock));
    while (items == 0) MUST(pthread_cond_wait(&not_empty, &lock));
    --items;
    MUST(pthread_mutex_unlock(&lock));
    MUST(pthread_cond_broadcast(&not_full));
  }
}

int main(void) {
  AT_ONCE(produce, consume, produce, consume);
  return items;
}
