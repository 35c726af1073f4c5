// SPDX-License-Identifier: Apache-2.0
// Not wrong enough to call it more: a mutex as an event. A thread locks it twice, so that it sleeps until another
// thread unlocks it.
#include "../program.h"

static pthread_mutex_t event = PTHREAD_MUTEX_INITIALIZER;
static sem_t about_to_wait;

static void* waiter(void* unused) {
  MUST(pthread_mutex_lock(&event));
  pass(&about_to_wait);
  MUST(pthread_mutex_lock(&event));
  MUST(pthread_mutex_unlock(&event));
  return unused;
}

int main(void) {
  pthread_t thread = start(waiter, NULL);
  wait_for(&about_to_wait);
  pause_ms(20);  // so that it sleeps in most runs; right in any case
  MUST(pthread_mutex_unlock(&event));
  finish(thread);
}
