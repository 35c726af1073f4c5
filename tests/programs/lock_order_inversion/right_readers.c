// SPDX-License-Identifier: Apache-2.0
// Right: three threads read two read-write locks in both orders. Nobody ever writes once they run, so none ever
// waits.
#include "../program.h"

static pthread_rwlock_t users = PTHREAD_RWLOCK_INITIALIZER;
static pthread_rwlock_t rights = PTHREAD_RWLOCK_INITIALIZER;

static void users_first(void) {
  for (int i = 0; i < 100; ++i) {
    MUST(pthread_rwlock_rdlock(&users));
    MUST(pthread_rwlock_rdlock(&rights));
    MUST(pthread_rwlock_unlock(&rights));
    MUST(pthread_rwlock_unlock(&users));
  }
}

static void rights_first(void) {
  for (int i = 0; i < 100; ++i) {
    MUST(pthread_rwlock_rdlock(&rights));
    MUST(pthread_rwlock_rdlock(&users));
    MUST(pthread_rwlock_unlock(&users));
    MUST(pthread_rwlock_unlock(&rights));
  }
}

int main(void) {
  MUST(pthread_rwlock_wrlock(&users));
  MUST(pthread_rwlock_unlock(&users));
  AT_ONCE(users_first, rights_first, users_first);
}
