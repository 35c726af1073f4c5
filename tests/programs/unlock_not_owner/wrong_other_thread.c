// SPDX-License-Identifier: Apache-2.0
// Wrong: a thread unlocks the mutex that another thread has locked and still relies on.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked, unlocked;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  pass(&locked);
  wait_for(&unlocked);
  return unused;
}

NOT_INLINE static void cancel_jobs(void) { MUST(pthread_mutex_unlock(&jobs)); }

int main(void) {
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  cancel_jobs();
  pass(&unlocked);
  finish(thread);
}
