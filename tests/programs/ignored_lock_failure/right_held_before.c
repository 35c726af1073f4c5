// SPDX-License-Identifier: Apache-2.0
// Right: the try fails because the thread holds the lock already, as it knows; then it unlocks, once. An upgrade
// that is refused leaves the reader a reader.
#include "../program.h"

static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

int main(void) {
  MUST(pthread_mutex_lock(&cache));
  GIVES(EBUSY, pthread_mutex_trylock(&cache));
  MUST(pthread_mutex_unlock(&cache));
  MUST(pthread_mutex_lock(&checked));
  GIVES(EBUSY, pthread_mutex_trylock(&checked));
  MUST(pthread_mutex_unlock(&checked));
  MUST(pthread_rwlock_rdlock(&routes));
  GIVES(EBUSY, pthread_rwlock_trywrlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
  MUST(pthread_rwlock_wrlock(&routes));
  GIVES(EBUSY, pthread_rwlock_tryrdlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
}
