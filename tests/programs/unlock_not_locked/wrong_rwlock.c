// SPDX-License-Identifier: Apache-2.0
// Wrong: the reader's early way out unlocks what it has not locked.
#include "../program.h"

static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

NOT_INLINE static int look_up(int key) {
  if (key < 0) goto out;
  MUST(pthread_rwlock_rdlock(&routes));
out:
  MUST(pthread_rwlock_unlock(&routes));
  return key;
}

int main(void) { return look_up(-1) == -1 ? 0 : 1; }
