// SPDX-License-Identifier: Apache-2.0
// Wrong: two mutexes of C11 in both orders.
#include <threads.h>

#include "../program.h"

static mtx_t stock, orders;

static void sell(void) {
  MUST(mtx_lock(&stock));
  MUST(mtx_lock(&orders));
  MUST(mtx_unlock(&orders));
  MUST(mtx_unlock(&stock));
}

static void buy(void) {
  MUST(mtx_lock(&orders));
  MUST(mtx_lock(&stock));
  MUST(mtx_unlock(&stock));
  MUST(mtx_unlock(&orders));
}

int main(void) {
  MUST(mtx_init(&stock, mtx_plain));
  MUST(mtx_init(&orders, mtx_plain | mtx_recursive));
  IN_TURN(sell, buy);
}
