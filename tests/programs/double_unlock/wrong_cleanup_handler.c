// SPDX-License-Identifier: Apache-2.0
// Wrong: unlocks, and then runs the cleanup handler that unlocks too.
#include "../program.h"

static pthread_mutex_t state = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static void release(void* lock) { IGNORED(pthread_mutex_unlock((pthread_mutex_t*)lock)); }

static void* worker(void* unused) {
  pthread_mutex_lock(&state);
  pthread_cleanup_push(release, &state);
  pthread_mutex_unlock(&state);
  pthread_cleanup_pop(1);
  return unused;
}

int main(void) { finish(start(worker, NULL)); }
