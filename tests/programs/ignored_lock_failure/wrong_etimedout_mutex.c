// SPDX-License-Identifier: Apache-2.0
// Wrong: as etimedout, with a mutex.
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
  struct timespec limit = in_ms(CLOCK_MONOTONIC, 20);
  IGNORED(pthread_mutex_clocklock(&jobs, CLOCK_MONOTONIC, &limit));
  MUST(pthread_mutex_unlock(&jobs));
}

int main(void) {
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  add_job();
  pass(&unlocked);
  finish(thread);
}
