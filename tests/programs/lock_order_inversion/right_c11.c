// SPDX-License-Identifier: Apache-2.0
// Right: a queue of C11 mutexes and conditions, call_once, and one order of locks.
#include <threads.h>

#include "../program.h"

static once_flag once = ONCE_FLAG_INIT;
static mtx_t queue_lock, sum_lock;
static cnd_t not_empty;
static int waiting;
static long sum;

static void make(void) {
  MUST(mtx_init(&queue_lock, mtx_plain));
  MUST(mtx_init(&sum_lock, mtx_timed));
  MUST(cnd_init(&not_empty));
}

static int producer(void* unused) {
  (void)unused;
  call_once(&once, make);
  for (int i = 0; i < 100; ++i) {
    MUST(mtx_lock(&queue_lock));
    ++waiting;
    MUST(cnd_signal(&not_empty));
    MUST(mtx_unlock(&queue_lock));
  }
  return 0;
}

static int consumer(void* unused) {
  (void)unused;
  call_once(&once, make);
  for (int i = 0; i < 100; ++i) {
    MUST(mtx_lock(&queue_lock));
    while (waiting == 0) MUST(cnd_wait(&not_empty, &queue_lock));
    --waiting;
    MUST(mtx_lock(&sum_lock));
    sum += 1;
    MUST(mtx_unlock(&sum_lock));
    MUST(mtx_unlock(&queue_lock));
  }
  return 0;
}

int main(void) {
  thrd_t threads[4];
  for (int i = 0; i < 4; ++i) MUST(thrd_create(&threads[i], i % 2 ? consumer : producer, NULL));
  for (int i = 0; i < 4; ++i) MUST(thrd_join(threads[i], NULL));
  mtx_destroy(&queue_lock);
  mtx_destroy(&sum_lock);
  cnd_destroy(&not_empty);
  return sum == 200 ? 0 : 1;
}
