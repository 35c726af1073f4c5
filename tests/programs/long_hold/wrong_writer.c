// SPDX-License-Identifier: Apache-2.0
// Wrong by the threshold of 200 ms: a read-write lock held for writing for 300 ms, with a reader waiting.
#include "../program.h"

static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;
static sem_t locked;

NOT_INLINE static void rebuild(void) {
  MUST(pthread_rwlock_wrlock(&routes));
  pass(&locked);
  pause_ms(300);
  MUST(pthread_rwlock_unlock(&routes));
}

static void* writer(void* unused) {
  rebuild();
  return unused;
}

int main(void) {
  pthread_t thread = start(writer, NULL);
  wait_for(&locked);
  MUST(pthread_rwlock_rdlock(&routes));
  MUST(pthread_rwlock_unlock(&routes));
  finish(thread);
}
