// SPDX-License-Identifier: Apache-2.0
// Right: robust mutexes are made for owners that die. The next one is told, repairs the state and goes on.
#include "../program.h"

static pthread_mutex_t state;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&state));
  return unused;
}

int main(void) {
  pthread_mutexattr_t kind;
  MUST(pthread_mutexattr_init(&kind));
  MUST(pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST));
  MUST(pthread_mutex_init(&state, &kind));
  finish(start(worker, NULL));
  GIVES(EOWNERDEAD, pthread_mutex_lock(&state));
  MUST(pthread_mutex_consistent(&state));
  MUST(pthread_mutex_unlock(&state));
  MUST(pthread_mutex_lock(&state));
  MUST(pthread_mutex_unlock(&state));
  MUST(pthread_mutex_destroy(&state));
}
