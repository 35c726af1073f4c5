// SPDX-License-Identifier: Apache-2.0
// Right: semaphores are posted without a wait before, from a signal handler too: they are no locks.
#include <signal.h>

#include "../program.h"

static sem_t free_slots, interrupted;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void on_signal(int number) {
  (void)number;
  sem_post(&interrupted);
}

int main(void) {
  MUST(sem_init(&free_slots, 0, 0));
  MUST(sem_init(&interrupted, 0, 0));
  for (int i = 0; i < 5; ++i) pass(&free_slots);
  for (int i = 0; i < 5; ++i) wait_for(&free_slots);
  signal(SIGUSR1, on_signal);
  for (int i = 0; i < 5; ++i) {
    MUST(pthread_mutex_lock(&lock));
    raise(SIGUSR1);  // in the middle of a critical section
    MUST(pthread_mutex_unlock(&lock));
    wait_for(&interrupted);
  }
}
