// SPDX-License-Identifier: Apache-2.0
// Wrong: a recursive mutex locked twice and unlocked three times. The third unlock returns EPERM, which nobody looks
// at.
#include "../program.h"

static pthread_mutex_t tree;

NOT_INLINE static void walk(int depth) {
  pthread_mutex_lock(&tree);
  if (depth > 0) walk(depth - 1);
  pthread_mutex_unlock(&tree);
}

int main(void) {
  pthread_mutexattr_t kind;
  MUST(pthread_mutexattr_init(&kind));
  MUST(pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE));
  MUST(pthread_mutex_init(&tree, &kind));
  walk(1);
  pthread_mutex_unlock(&tree);
  return 0;
}
