// SPDX-License-Identifier: Apache-2.0
// Wrong: waits for a C11 mutex that is not recursive and that it holds itself, until the time is over.
#include <threads.h>

#include "../program.h"

static mtx_t list;

NOT_INLINE static void clear_list(void) {
  struct timespec limit = in_ms(CLOCK_REALTIME, 50);
  MUST(mtx_lock(&list));
  GIVES(thrd_timedout, mtx_timedlock(&list, &limit));
  MUST(mtx_unlock(&list));
}

int main(void) {
  MUST(mtx_init(&list, mtx_timed));
  clear_list();
}
