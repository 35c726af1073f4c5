// SPDX-License-Identifier: Apache-2.0
// Wrong: a robust mutex says EOWNERDEAD, the program works on what the dead thread left half done and unlocks without
// pthread_mutex_consistent: from now on nobody can ever lock it.
#include "../program.h"

static pthread_mutex_t state;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&state));
  return unused;
}

NOT_INLINE static void update(void) {
  IGNORED(pthread_mutex_lock(&state));
  MUST(pthread_mutex_unlock(&state));
}

int main(void) {
  pthread_mutexattr_t kind;
  MUST(pthread_mutexattr_init(&kind));
  MUST(pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST));
  MUST(pthread_mutex_init(&state, &kind));
  finish(start(worker, NULL));
  update();
  GIVES(ENOTRECOVERABLE, pthread_mutex_lock(&state));
}
