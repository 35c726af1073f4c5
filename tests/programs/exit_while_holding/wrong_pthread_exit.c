// SPDX-License-Identifier: Apache-2.0
// Wrong: pthread_exit, deep in a call, of a thread that holds a read-write lock for writing.
#include "../program.h"

static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

NOT_INLINE static void fail(void) { pthread_exit(NULL); }

static void* worker(void* unused) {
  MUST(pthread_rwlock_wrlock(&routes));
  fail();
  return unused;
}

int main(void) {
  finish(start(worker, NULL));
  GIVES(EBUSY, pthread_rwlock_tryrdlock(&routes));
}
