// SPDX-License-Identifier: Apache-2.0
// Wrong: a C11 mutex unlocked by the function that was called and again by its caller.
#include <threads.h>

#include "../program.h"

static mtx_t list;

NOT_INLINE static int pop_and_unlock(void) {
  int value = 1;
  if (mtx_unlock(&list) != thrd_success) value = 0;
  return value;
}

NOT_INLINE static int pop(void) {
  mtx_lock(&list);
  int value = pop_and_unlock();
  mtx_unlock(&list);
  return value;
}

int main(void) {
  MUST(mtx_init(&list, mtx_plain));
  return pop() == 1 ? 0 : 1;
}
