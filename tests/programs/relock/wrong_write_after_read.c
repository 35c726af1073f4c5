// SPDX-License-Identifier: Apache-2.0
// Wrong: a reader that wants to write, and waits for the last reader, itself. Does not end by itself.
#include "../program.h"

static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

NOT_INLINE static void upgrade(void) {
  MUST(pthread_rwlock_rdlock(&routes));
  MUST(pthread_rwlock_wrlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
}

int main(void) { upgrade(); }
