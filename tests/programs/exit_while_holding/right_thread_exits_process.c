// SPDX-License-Identifier: Apache-2.0
// Right: a thread that is not the first ends the process with a lock held.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  _exit(7);
  return unused;
}

int main(void) {
  finish(start(worker, NULL));
  return 1;
}
