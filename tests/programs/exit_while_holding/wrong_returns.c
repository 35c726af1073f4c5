// SPDX-License-Identifier: Apache-2.0
// Wrong: the thread returns from its function on a path that forgets to unlock. The process goes on.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;

static void* worker(void* fail) {
  MUST(pthread_mutex_lock(&jobs));
  if (fail) return NULL;
  MUST(pthread_mutex_unlock(&jobs));
  return NULL;
}

int main(void) {
  finish(start(worker, NULL));
  finish(start(worker, &jobs));
  GIVES(EBUSY, pthread_mutex_trylock(&jobs));
}
