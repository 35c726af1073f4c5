// SPDX-License-Identifier: Apache-2.0
// Wrong: a thread ends as one of three readers and never tells; no writer will ever get in.
#include "../program.h"

static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

static void* reader(void* leave) {
  for (int i = 0; i < 3; ++i) MUST(pthread_rwlock_rdlock(&routes));
  for (int i = leave ? 1 : 0; i < 3; ++i) MUST(pthread_rwlock_unlock(&routes));
  return NULL;
}

int main(void) {
  finish(start(reader, NULL));
  finish(start(reader, &routes));
  GIVES(EBUSY, pthread_rwlock_trywrlock(&routes));
}
