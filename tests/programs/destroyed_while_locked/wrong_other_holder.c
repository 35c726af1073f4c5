// SPDX-License-Identifier: Apache-2.0
// Wrong: destroys a mutex that another thread holds at this moment.
#include "../program.h"

static pthread_mutex_t jobs;
static sem_t locked, tried;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  pass(&locked);
  wait_for(&tried);
  MUST(pthread_mutex_unlock(&jobs));
  return unused;
}

NOT_INLINE static void shut_down(void) { IGNORED(pthread_mutex_destroy(&jobs)); }

int main(void) {
  MUST(pthread_mutex_init(&jobs, NULL));
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  shut_down();
  pass(&tried);
  finish(thread);
}
