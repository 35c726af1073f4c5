// SPDX-License-Identifier: Apache-2.0
// Wrong: a spin lock unlocked by another thread than the one that holds it.
#include "../program.h"

static pthread_spinlock_t counter;
static sem_t locked, unlocked;

static void* worker(void* unused) {
  MUST(pthread_spin_lock(&counter));
  pass(&locked);
  wait_for(&unlocked);
  return unused;
}

NOT_INLINE static void reset(void) { MUST(pthread_spin_unlock(&counter)); }

int main(void) {
  MUST(pthread_spin_init(&counter, PTHREAD_PROCESS_PRIVATE));
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  reset();
  pass(&unlocked);
  finish(thread);
}
