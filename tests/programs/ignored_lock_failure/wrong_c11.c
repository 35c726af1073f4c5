// SPDX-License-Identifier: Apache-2.0
// Wrong: mtx_trylock gives thrd_busy, which is taken for a success.
#include <threads.h>

#include "../program.h"

static mtx_t list;
static sem_t locked, unlocked;

static int worker(void* unused) {
  (void)unused;
  MUST(mtx_lock(&list));
  pass(&locked);
  wait_for(&unlocked);
  return 0;
}

NOT_INLINE static void add(void) {
  IGNORED(mtx_trylock(&list));
  MUST(mtx_unlock(&list));
}

int main(void) {
  thrd_t thread;
  MUST(mtx_init(&list, mtx_plain));
  MUST(thrd_create(&thread, worker, NULL));
  wait_for(&locked);
  add();
  pass(&unlocked);
  MUST(thrd_join(thread, NULL));
}
