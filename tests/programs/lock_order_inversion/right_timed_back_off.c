// SPDX-License-Identifier: Apache-2.0
// Right: the inverted order waits for a bounded time and gives back what it has when the time is over.
#include "../program.h"

static pthread_mutex_t device = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t driver = PTHREAD_MUTEX_INITIALIZER;
static sem_t has_device, has_driver, gave_up;

static void* opener(void* unused) {
  MUST(pthread_mutex_lock(&device));
  pass(&has_device);
  wait_for(&has_driver);
  MUST(pthread_mutex_lock(&driver));  // until the other gives up
  MUST(pthread_mutex_unlock(&driver));
  MUST(pthread_mutex_unlock(&device));
  pass(&gave_up);
  return unused;
}

static void* unloader(void* unused) {
  MUST(pthread_mutex_lock(&driver));
  pass(&has_driver);
  wait_for(&has_device);
  struct timespec limit = in_ms(CLOCK_REALTIME, 30);
  GIVES(ETIMEDOUT, pthread_mutex_timedlock(&device, &limit));
  MUST(pthread_mutex_unlock(&driver));
  wait_for(&gave_up);
  MUST(pthread_mutex_lock(&driver));
  limit = in_ms(CLOCK_REALTIME, 20000);
  MUST(pthread_mutex_timedlock(&device, &limit));
  MUST(pthread_mutex_unlock(&device));
  MUST(pthread_mutex_unlock(&driver));
  return unused;
}

int main(void) {
  pthread_t one = start(opener, NULL), other = start(unloader, NULL);
  finish(one);
  finish(other);
}
