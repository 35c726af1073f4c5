// SPDX-License-Identifier: Apache-2.0
// Wrong: a read-write lock taken for writing by one thread is unlocked by another.
#include "../program.h"

static pthread_rwlock_t settings = PTHREAD_RWLOCK_INITIALIZER;
static sem_t locked, unlocked;

static void* writer(void* unused) {
  MUST(pthread_rwlock_wrlock(&settings));
  pass(&locked);
  wait_for(&unlocked);
  return unused;
}

NOT_INLINE static void abort_write(void) { MUST(pthread_rwlock_unlock(&settings)); }

int main(void) {
  pthread_t thread = start(writer, NULL);
  wait_for(&locked);
  abort_write();
  _exit(0);  // the lock is broken now
  finish(thread);
}
