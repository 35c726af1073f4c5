// SPDX-License-Identifier: Apache-2.0
// Right: EOWNERDEAD, whichever call gave it, is followed by pthread_mutex_consistent and then by the unlock. A mutex
// that was given up is destroyed and made anew.
#include "../program.h"

static pthread_mutex_t state;

static void make(void) {
  pthread_mutexattr_t kind;
  MUST(pthread_mutexattr_init(&kind));
  MUST(pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST));
  MUST(pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK));
  MUST(pthread_mutex_init(&state, &kind));
}

static void* dies(void* unused) {
  MUST(pthread_mutex_lock(&state));
  return unused;
}

static void* repairs(void* unused) {
  GIVES(EOWNERDEAD, pthread_mutex_trylock(&state));
  MUST(pthread_mutex_consistent(&state));
  MUST(pthread_mutex_unlock(&state));
  return unused;
}

int main(void) {
  struct timespec limit = in_ms(CLOCK_REALTIME, 20000);
  make();
  finish(start(dies, NULL));
  finish(start(repairs, NULL));
  finish(start(dies, NULL));
  GIVES(EOWNERDEAD, pthread_mutex_timedlock(&state, &limit));
  MUST(pthread_mutex_consistent(&state));
  MUST(pthread_mutex_unlock(&state));
  MUST(pthread_mutex_destroy(&state));
  make();
  finish(start(dies, NULL));
  finish(start(repairs, NULL));
  MUST(pthread_mutex_lock(&state));
  MUST(pthread_mutex_unlock(&state));
}
