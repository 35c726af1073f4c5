// SPDX-License-Identifier: Apache-2.0
// Wrong: a spin lock, then a mutex; elsewhere the mutex, then the spin lock.
#include "../program.h"

static pthread_spinlock_t counter;
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;

static void count(void) {
  MUST(pthread_spin_lock(&counter));
  MUST(pthread_mutex_lock(&table));
  MUST(pthread_mutex_unlock(&table));
  MUST(pthread_spin_unlock(&counter));
}

static void reset(void) {
  MUST(pthread_mutex_lock(&table));
  MUST(pthread_spin_lock(&counter));
  MUST(pthread_spin_unlock(&counter));
  MUST(pthread_mutex_unlock(&table));
}

int main(void) {
  MUST(pthread_spin_init(&counter, PTHREAD_PROCESS_PRIVATE));
  IN_TURN(count, reset);
}
