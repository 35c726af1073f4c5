// SPDX-License-Identifier: Apache-2.0
// Wrong: mtx_destroy of a mutex that is locked.
#include <threads.h>

#include "../program.h"

static mtx_t list;

NOT_INLINE static int drop_list(void) {
  if (mtx_lock(&list) != thrd_success) return 1;
  mtx_destroy(&list);
  return 0;
}

int main(void) {
  MUST(mtx_init(&list, mtx_plain));
  return drop_list();
}
