// SPDX-License-Identifier: Apache-2.0
// Wrong: a thread is cancelled in the middle of a critical section, with no cleanup handler.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  pass(&locked);
  pause();
  MUST(pthread_mutex_unlock(&jobs));
  return unused;
}

int main(void) {
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  MUST(pthread_cancel(thread));
  finish(thread);
}
