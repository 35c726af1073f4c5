// SPDX-License-Identifier: Apache-2.0
// Right: the cleanup handler unlocks in place of the code that was not reached; where it was reached it is popped
// unrun.
#include "../program.h"

static pthread_mutex_t state = PTHREAD_MUTEX_INITIALIZER;

static void release(void* lock) { MUST(pthread_mutex_unlock((pthread_mutex_t*)lock)); }

static void* worker(void* leave) {
  MUST(pthread_mutex_lock(&state));
  pthread_cleanup_push(release, &state);
  if (leave) pthread_exit(NULL);
  pthread_cleanup_pop(0);
  MUST(pthread_mutex_unlock(&state));
  return NULL;
}

int main(void) {
  finish(start(worker, NULL));
  finish(start(worker, &state));
  finish(start(worker, NULL));
}
