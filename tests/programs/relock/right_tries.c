// SPDX-License-Identifier: Apache-2.0
// Right: tries to take what it may hold already, to find out; a try does not wait.
#include "../program.h"

static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

static void must_be_held(void) { GIVES(EBUSY, pthread_mutex_trylock(&cache)); }

int main(void) {
  MUST(pthread_mutex_lock(&cache));
  must_be_held();
  MUST(pthread_mutex_unlock(&cache));
  MUST(pthread_rwlock_rdlock(&routes));
  GIVES(EBUSY, pthread_rwlock_trywrlock(&routes));  // an upgrade that cannot be had
  MUST(pthread_rwlock_unlock(&routes));
}
