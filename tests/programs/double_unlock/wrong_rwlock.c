// SPDX-License-Identifier: Apache-2.0
// Wrong: a read-write lock that was taken for writing once is unlocked twice.
#include "../program.h"

static pthread_rwlock_t settings = PTHREAD_RWLOCK_INITIALIZER;

NOT_INLINE static void reload(void) {
  MUST(pthread_rwlock_wrlock(&settings));
  MUST(pthread_rwlock_unlock(&settings));
  IGNORED(pthread_rwlock_unlock(&settings));
}

int main(void) { reload(); }
