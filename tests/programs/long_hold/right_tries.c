// SPDX-License-Identifier: Apache-2.0
// Right: tries in vain for 300 ms, for a lock that others hold for 15 ms at a time. A try that fails holds nothing.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked, tried;

static void* holder(void* unused) {
  for (int i = 0; i < 20; ++i) {
    MUST(pthread_mutex_lock(&jobs));
    pass(&locked);
    wait_for(&tried);
    MUST(pthread_mutex_unlock(&jobs));
  }
  return unused;
}

int main(void) {
  pthread_t thread = start(holder, NULL);
  for (int i = 0; i < 20; ++i) {
    wait_for(&locked);
    GIVES(EBUSY, pthread_mutex_trylock(&jobs));
    pause_ms(15);
    pass(&tried);
  }
  finish(thread);
}
