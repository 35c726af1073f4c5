// SPDX-License-Identifier: Apache-2.0
// Wrong: a C11 mutex unlocked by a thread that does not hold it.
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

NOT_INLINE static void clear_list(void) { MUST(mtx_unlock(&list)); }

int main(void) {
  thrd_t thread;
  MUST(mtx_init(&list, mtx_plain));
  MUST(thrd_create(&thread, worker, NULL));
  wait_for(&locked);
  clear_list();
  pass(&unlocked);
  MUST(thrd_join(thread, NULL));
}
