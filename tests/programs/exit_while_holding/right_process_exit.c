// SPDX-License-Identifier: Apache-2.0
// Right: the process ends while a thread of its holds a lock for good and another one waits for it: nothing is left
// that could want it. main itself holds one, too.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked;

static void* holder(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  pass(&locked);
  pause();
  return unused;
}

static void* waiter(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  return unused;
}

int main(void) {
  start(holder, NULL);
  wait_for(&locked);
  start(waiter, NULL);
  MUST(pthread_mutex_lock(&log_lock));
  exit(0);
}
