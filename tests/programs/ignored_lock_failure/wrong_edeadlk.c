// SPDX-License-Identifier: Apache-2.0
// Wrong: an errorcheck mutex refuses a second lock with EDEADLK. The program takes it for recursive and unlocks
// twice; what it does after the first unlock is not guarded any more.
#include "../program.h"

static pthread_mutex_t tree = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

NOT_INLINE static void walk(int depth) {
  IGNORED(pthread_mutex_lock(&tree));
  if (depth > 0) walk(depth - 1);
  IGNORED(pthread_mutex_unlock(&tree));
}

int main(void) { walk(1); }
