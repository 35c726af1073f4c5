// SPDX-License-Identifier: Apache-2.0
// Right: one thread takes a read-write lock for reading three times and unlocks it three times, among others who do
// so.
#include "../program.h"

static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

static void look_up(void) {
  for (int i = 0; i < 100; ++i) {
    for (int depth = 0; depth < 3; ++depth) MUST(pthread_rwlock_rdlock(&routes));
    for (int depth = 0; depth < 3; ++depth) MUST(pthread_rwlock_unlock(&routes));
  }
}

int main(void) {
  AT_ONCE(look_up, look_up, look_up);
  MUST(pthread_rwlock_wrlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
}
