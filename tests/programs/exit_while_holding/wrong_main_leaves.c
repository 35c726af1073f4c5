// SPDX-License-Identifier: Apache-2.0
// Wrong: main leaves by pthread_exit with a lock held; a worker goes on without ever getting it.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static pthread_t first;

static void* worker(void* unused) {
  finish(first);
  GIVES(EBUSY, pthread_mutex_trylock(&jobs));
  return unused;
}

int main(void) {
  first = pthread_self();
  MUST(pthread_mutex_lock(&jobs));
  start(worker, NULL);
  pthread_exit(NULL);
}
