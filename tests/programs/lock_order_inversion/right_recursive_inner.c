// SPDX-License-Identifier: Apache-2.0
// Right: a recursive lock is taken again below another one that was taken after it: outer, inner, outer. The second
// outer never waits.
#include "../program.h"

static pthread_mutex_t outer;
static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static int size_of_all(void) {
  MUST(pthread_mutex_lock(&outer));
  MUST(pthread_mutex_unlock(&outer));
  return 1;
}

static void update(void) {
  for (int i = 0; i < 100; ++i) {
    MUST(pthread_mutex_lock(&outer));
    MUST(pthread_mutex_lock(&inner));
    size_of_all();
    MUST(pthread_mutex_unlock(&inner));
    MUST(pthread_mutex_unlock(&outer));
  }
}

int main(void) {
  pthread_mutexattr_t kind;
  MUST(pthread_mutexattr_init(&kind));
  MUST(pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE));
  MUST(pthread_mutex_init(&outer, &kind));
  AT_ONCE(update, update);
}
