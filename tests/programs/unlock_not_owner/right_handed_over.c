// SPDX-License-Identifier: Apache-2.0
// Not wrong enough to call it more: a mutex handed from one thread to another on purpose, used as a signal. POSIX
// has no definition of it for a normal mutex, but it works everywhere and nothing hangs.
#include "../program.h"

static pthread_mutex_t baton = PTHREAD_MUTEX_INITIALIZER;
static sem_t taken, at_end;

static void* taker(void* unused) {
  for (int i = 0; i < 3; ++i) {
    MUST(pthread_mutex_lock(&baton));
    pass(&taken);
  }
  wait_for(&at_end);
  return unused;
}

int main(void) {
  pthread_t thread = start(taker, NULL);
  for (int i = 0; i < 3; ++i) {
    wait_for(&taken);
    MUST(pthread_mutex_unlock(&baton));
  }
  pass(&at_end);
  finish(thread);
}
