// SPDX-License-Identifier: Apache-2.0
// Wrong by the threshold of 200 ms: waits for an answer with a C11 mutex held, and another thread for the mutex.
#include <threads.h>

#include "../program.h"

static mtx_t list;
static sem_t locked;

NOT_INLINE static void ask(void) {
  struct timespec time = {0, 300000000};
  MUST(mtx_lock(&list));
  pass(&locked);
  thrd_sleep(&time, NULL);
  MUST(mtx_unlock(&list));
}

static int worker(void* unused) {
  (void)unused;
  ask();
  return 0;
}

int main(void) {
  thrd_t thread;
  MUST(mtx_init(&list, mtx_plain));
  MUST(thrd_create(&thread, worker, NULL));
  wait_for(&locked);
  MUST(mtx_lock(&list));
  MUST(mtx_unlock(&list));
  MUST(thrd_join(thread, NULL));
}
