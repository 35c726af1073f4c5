// SPDX-License-Identifier: Apache-2.0
// Wrong: waiting for a condition with a second lock held. The wait gives back `outer` alone and takes it again while
// `inner` is held: inner, then outer. Everybody else takes outer, then inner.
#include "../program.h"

static pthread_mutex_t outer = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t inner = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sem_t used_both, is_waiting, at_end;
static int ready;

static void* user(void* unused) {
  MUST(pthread_mutex_lock(&outer));
  MUST(pthread_mutex_lock(&inner));
  MUST(pthread_mutex_unlock(&inner));
  MUST(pthread_mutex_unlock(&outer));
  pass(&used_both);
  wait_for(&is_waiting);
  MUST(pthread_mutex_lock(&outer));
  ready = 1;
  MUST(pthread_cond_signal(&changed));
  MUST(pthread_mutex_unlock(&outer));
  wait_for(&at_end);
  return unused;
}

static void* waiter(void* unused) {
  wait_for(&used_both);
  MUST(pthread_mutex_lock(&outer));
  MUST(pthread_mutex_lock(&inner));
  pass(&is_waiting);
  while (!ready) MUST(pthread_cond_wait(&changed, &outer));
  MUST(pthread_mutex_unlock(&inner));
  MUST(pthread_mutex_unlock(&outer));
  pass(&at_end);
  return unused;
}

int main(void) {
  pthread_t one = start(user, NULL), other = start(waiter, NULL);
  finish(one);
  finish(other);
}
