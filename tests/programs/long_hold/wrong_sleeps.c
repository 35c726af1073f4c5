// SPDX-License-Identifier: Apache-2.0
// Wrong by the threshold of 200 ms: sleeps for 300 ms in a critical section that another thread waits for.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked;

NOT_INLINE static void write_all(void) {
  MUST(pthread_mutex_lock(&jobs));
  pass(&locked);
  pause_ms(300);
  MUST(pthread_mutex_unlock(&jobs));
}

static void* worker(void* unused) {
  write_all();
  return unused;
}

int main(void) {
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  MUST(pthread_mutex_lock(&jobs));
  MUST(pthread_mutex_unlock(&jobs));
  finish(thread);
}
