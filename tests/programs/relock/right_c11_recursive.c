// SPDX-License-Identifier: Apache-2.0
// Right: a recursive mutex of C11.
#include <threads.h>

#include "../program.h"

static mtx_t tree;

static void walk(int depth) {
  MUST(mtx_lock(&tree));
  if (depth > 0) walk(depth - 1);
  MUST(mtx_unlock(&tree));
}

static void deep(void) { walk(50); }

int main(void) {
  MUST(mtx_init(&tree, mtx_recursive));
  AT_ONCE(deep, deep);
  mtx_destroy(&tree);
}
