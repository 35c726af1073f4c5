// SPDX-License-Identifier: Apache-2.0
// Right: recursive mutexes, unlocked as often as they were locked, by call, by trylock and by timedlock.
#include "../program.h"

static pthread_mutex_t tree;

static void walk(int depth) {
  struct timespec limit = in_ms(CLOCK_REALTIME, 20000);
  MUST(pthread_mutex_lock(&tree));
  MUST(pthread_mutex_trylock(&tree));
  MUST(pthread_mutex_timedlock(&tree, &limit));
  MUST(pthread_mutex_unlock(&tree));
  if (depth > 0) walk(depth - 1);
  MUST(pthread_mutex_unlock(&tree));
  MUST(pthread_mutex_unlock(&tree));
}

static void deep(void) { walk(100); }

int main(void) {
  pthread_mutexattr_t kind;
  MUST(pthread_mutexattr_init(&kind));
  MUST(pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE));
  MUST(pthread_mutex_init(&tree, &kind));
  AT_ONCE(deep, deep);
}
