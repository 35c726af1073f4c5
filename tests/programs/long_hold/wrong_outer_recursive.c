// SPDX-License-Identifier: Apache-2.0
// Wrong by the threshold of 200 ms: a recursive mutex is held from the first lock to the last unlock; each part is
// short.
#include "../program.h"

static pthread_mutex_t tree;
static sem_t locked;

NOT_INLINE static void walk(void) {
  MUST(pthread_mutex_lock(&tree));
  pass(&locked);
  for (int i = 0; i < 6; ++i) {
    MUST(pthread_mutex_lock(&tree));
    pause_ms(50);
    MUST(pthread_mutex_unlock(&tree));
  }
  MUST(pthread_mutex_unlock(&tree));
}

static void* worker(void* unused) {
  walk();
  return unused;
}

int main(void) {
  pthread_mutexattr_t kind;
  MUST(pthread_mutexattr_init(&kind));
  MUST(pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE));
  MUST(pthread_mutex_init(&tree, &kind));
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  MUST(pthread_mutex_lock(&tree));
  MUST(pthread_mutex_unlock(&tree));
  finish(thread);
}
