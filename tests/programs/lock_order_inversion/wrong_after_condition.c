// SPDX-License-Identifier: Apache-2.0
// Wrong: the two orders of two locks, kept apart only by a condition variable that says "I have started". The first
// thread goes on to take its locks again whenever it likes.
#include "../program.h"

static pthread_mutex_t state = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int stage;
static pthread_mutex_t users = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t groups = PTHREAD_MUTEX_INITIALIZER;

static void reach(int next) {
  MUST(pthread_mutex_lock(&state));
  stage = next;
  MUST(pthread_cond_broadcast(&changed));
  MUST(pthread_mutex_unlock(&state));
}

static void await(int wanted) {
  MUST(pthread_mutex_lock(&state));
  while (stage < wanted) MUST(pthread_cond_wait(&changed, &state));
  MUST(pthread_mutex_unlock(&state));
}

NOT_INLINE static void add_user(void) {
  MUST(pthread_mutex_lock(&users));
  MUST(pthread_mutex_lock(&groups));
  MUST(pthread_mutex_unlock(&groups));
  MUST(pthread_mutex_unlock(&users));
}

static void* adder(void* unused) {
  add_user();
  reach(1);
  await(2);
  add_user();
  return unused;
}

static void* remover(void* unused) {
  await(1);
  MUST(pthread_mutex_lock(&groups));
  MUST(pthread_mutex_lock(&users));
  MUST(pthread_mutex_unlock(&users));
  MUST(pthread_mutex_unlock(&groups));
  reach(2);
  return unused;
}

int main(void) {
  pthread_t one = start(adder, NULL), other = start(remover, NULL);
  finish(one);
  finish(other);
}
