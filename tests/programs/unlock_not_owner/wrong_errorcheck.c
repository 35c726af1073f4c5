// SPDX-License-Identifier: Apache-2.0
// Wrong: as other_thread, with an errorcheck mutex: the unlock is refused with EPERM, which nobody looks at.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static sem_t locked, tried;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  pass(&locked);
  wait_for(&tried);
  MUST(pthread_mutex_unlock(&jobs));
  return unused;
}

NOT_INLINE static void cancel_jobs(void) { IGNORED(pthread_mutex_unlock(&jobs)); }

int main(void) {
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  cancel_jobs();
  pass(&tried);
  finish(thread);
}
