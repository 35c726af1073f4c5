// SPDX-License-Identifier: Apache-2.0
// Right: reads while it reads, of a read-write lock that lets readers in first, as is the default.
#include "../program.h"

static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

NOT_INLINE static int count(void) {
  MUST(pthread_rwlock_rdlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
  return 1;
}

static void print(void) {
  MUST(pthread_rwlock_rdlock(&routes));
  count();
  MUST(pthread_rwlock_unlock(&routes));
}

static void change(void) {
  MUST(pthread_rwlock_wrlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
}

int main(void) { AT_ONCE(print, print, change); }
