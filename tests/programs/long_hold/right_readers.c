// SPDX-License-Identifier: Apache-2.0
// Right: a read-write lock is never free for 300 ms, but each of its readers holds it for 20 ms.
#include "../program.h"

static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

static void look_up(void) {
  for (int i = 0; i < 20; ++i) {
    MUST(pthread_rwlock_rdlock(&routes));
    pause_ms(20);
    MUST(pthread_rwlock_unlock(&routes));
  }
}

int main(void) { AT_ONCE(look_up, look_up, look_up); }
