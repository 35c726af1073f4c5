// SPDX-License-Identifier: Apache-2.0
// Right: pthread_cond_timedwait says ETIMEDOUT and has taken the mutex all the same, so that it has to be unlocked.
#include "../program.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ready;

static void* waiter(void* unused) {
  MUST(pthread_mutex_lock(&lock));
  while (!ready) {
    struct timespec limit = in_ms(CLOCK_REALTIME, 5);
    int error = pthread_cond_timedwait(&changed, &lock, &limit);
    if (error != 0 && error != ETIMEDOUT) exit(1);
  }
  MUST(pthread_mutex_unlock(&lock));
  return unused;
}

int main(void) {
  pthread_t one = start(waiter, NULL), other = start(waiter, NULL);
  struct timespec limit = in_ms(CLOCK_MONOTONIC, 30);
  pthread_cond_t never = PTHREAD_COND_INITIALIZER;
  MUST(pthread_mutex_lock(&lock));
  GIVES(ETIMEDOUT, pthread_cond_clockwait(&never, &lock, CLOCK_MONOTONIC, &limit));
  ready = 1;
  MUST(pthread_cond_broadcast(&changed));
  MUST(pthread_mutex_unlock(&lock));
  finish(one);
  finish(other);
}
