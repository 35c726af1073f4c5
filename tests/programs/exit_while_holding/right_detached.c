// SPDX-License-Identifier: Apache-2.0
// Right: detached threads end after they unlocked, or are stopped in a critical section by the end of the process;
// main leaves by pthread_exit, holding nothing, while workers go on.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static sem_t counted;
static int count;

static void* worker(void* unused) {
  for (int i = 0; i < 50; ++i) {
    MUST(pthread_mutex_lock(&jobs));
    ++count;
    MUST(pthread_mutex_unlock(&jobs));
  }
  pass(&counted);
  return unused;
}

static void* last(void* unused) {
  wait_for(&counted);
  wait_for(&counted);
  MUST(pthread_mutex_lock(&jobs));
  exit(count == 100 ? 0 : 1);
  return unused;
}

int main(void) {
  MUST(pthread_detach(start(worker, NULL)));
  MUST(pthread_detach(start(worker, NULL)));
  MUST(pthread_detach(start(last, NULL)));
  pthread_exit(NULL);
}
