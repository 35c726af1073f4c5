// SPDX-License-Identifier: Apache-2.0
// Right: a thread ends with a lock held, and the destructor of its thread-specific data lets go of it.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t held;

static void release(void* lock) { MUST(pthread_mutex_unlock((pthread_mutex_t*)lock)); }

static void* worker(void* leave) {
  MUST(pthread_mutex_lock(&jobs));
  MUST(pthread_setspecific(held, &jobs));
  if (leave) pthread_exit(NULL);
  return NULL;
}

int main(void) {
  MUST(pthread_key_create(&held, release));
  finish(start(worker, NULL));
  finish(start(worker, &jobs));
  MUST(pthread_mutex_lock(&jobs));
  MUST(pthread_mutex_unlock(&jobs));
}
