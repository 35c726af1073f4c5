// SPDX-License-Identifier: Apache-2.0
// Wrong: a writer that wants to read what it writes, and gets EDEADLK.
#include "../program.h"

static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

NOT_INLINE static void change(void) {
  MUST(pthread_rwlock_wrlock(&routes));
  IGNORED(pthread_rwlock_rdlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
}

int main(void) { change(); }
