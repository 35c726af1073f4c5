// SPDX-License-Identifier: Apache-2.0
// Wrong: a C11 mutex unlocked by a thread that never locked it; nobody else has.
#include <threads.h>

#include "../program.h"

static mtx_t list;

static int worker(void* unused) {
  (void)unused;
  return mtx_unlock(&list) == thrd_success ? 0 : 1;
}

int main(void) {
  thrd_t thread;
  MUST(mtx_init(&list, mtx_plain));
  MUST(thrd_create(&thread, worker, NULL));
  return thrd_join(thread, NULL);
}
