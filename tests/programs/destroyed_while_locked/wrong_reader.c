// SPDX-License-Identifier: Apache-2.0
// Wrong: destroys a read-write lock that it still reads under.
#include "../program.h"

static pthread_rwlock_t routes;

NOT_INLINE static void drop_routes(void) {
  MUST(pthread_rwlock_rdlock(&routes));
  MUST(pthread_rwlock_destroy(&routes));
}

int main(void) {
  MUST(pthread_rwlock_init(&routes, NULL));
  drop_routes();
}
