// SPDX-License-Identifier: Apache-2.0
// Right: many short-lived threads, one after the other and at once, each takes a lock by a way of its own and lets
// go of it at its very end; thread numbers and stacks are used again.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t routes = PTHREAD_RWLOCK_INITIALIZER;

static void* worker(void* number) {
  size_t way = (size_t)number % 4;
  pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
  MUST(pthread_mutex_lock(&own));
  if (way == 0) MUST(pthread_mutex_lock(&jobs));
  if (way == 1) MUST(pthread_rwlock_rdlock(&routes));
  if (way == 2) MUST(pthread_rwlock_wrlock(&routes));
  if (way == 3) way = pthread_mutex_trylock(&jobs) == 0 ? 0 : 3;
  MUST(pthread_mutex_unlock(&own));
  if (way == 0) MUST(pthread_mutex_unlock(&jobs));
  if (way == 1 || way == 2) MUST(pthread_rwlock_unlock(&routes));
  return NULL;
}

int main(void) {
  pthread_t threads[8];
  for (size_t round = 0; round < 10; ++round) {
    for (size_t i = 0; i < 8; ++i) threads[i] = start(worker, (void*)(round + i));
    for (size_t i = 0; i < 8; ++i) finish(threads[i]);
    finish(start(worker, (void*)round));
  }
}
