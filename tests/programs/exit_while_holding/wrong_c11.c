// SPDX-License-Identifier: Apache-2.0
// Wrong: thrd_exit with a C11 mutex held.
#include <threads.h>

#include "../program.h"

static mtx_t list;

static int worker(void* unused) {
  (void)unused;
  MUST(mtx_lock(&list));
  thrd_exit(0);
}

int main(void) {
  thrd_t thread;
  int result;
  MUST(mtx_init(&list, mtx_recursive));
  MUST(thrd_create(&thread, worker, NULL));
  MUST(thrd_join(thread, &result));
  return result;
}
