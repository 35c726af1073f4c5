// SPDX-License-Identifier: Apache-2.0
// Wrong: waits for a read-write lock, but not for long, and does not look whether it got it.
#include "../program.h"

static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;
static sem_t locked, unlocked;

static void* reader(void* unused) {
  MUST(pthread_rwlock_rdlock(&routes));
  pass(&locked);
  wait_for(&unlocked);
  return unused;
}

NOT_INLINE static void change(void) {
  struct timespec limit = in_ms(CLOCK_REALTIME, 20);
  IGNORED(pthread_rwlock_timedwrlock(&routes, &limit));
  MUST(pthread_rwlock_unlock(&routes));
}

int main(void) {
  pthread_t thread = start(reader, NULL);
  wait_for(&locked);
  change();
  pass(&unlocked);
  finish(thread);
}
