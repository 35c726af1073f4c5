// SPDX-License-Identifier: Apache-2.0
// Wrong: a try fails with EBUSY; the thread goes on to its critical section all the same, and unlocks a mutex that
// belongs to another thread.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked, unlocked;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  pass(&locked);
  wait_for(&unlocked);
  return unused;
}

NOT_INLINE static void add_job(void) {
  IGNORED(pthread_mutex_trylock(&jobs));
  MUST(pthread_mutex_unlock(&jobs));
}

int main(void) {
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  add_job();
  pass(&unlocked);
  finish(thread);
}
