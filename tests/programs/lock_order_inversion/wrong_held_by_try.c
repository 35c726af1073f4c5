// SPDX-License-Identifier: Apache-2.0
// Wrong: what was got by a try is held like any other lock. One thread tries first, gets it and waits for second; the
// other holds second and waits for first.
#include "../program.h"

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;

static void try_then_wait(void) {
  MUST(pthread_mutex_trylock(&first));
  MUST(pthread_mutex_lock(&second));
  MUST(pthread_mutex_unlock(&second));
  MUST(pthread_mutex_unlock(&first));
}

static void wait_then_wait(void) {
  MUST(pthread_mutex_lock(&second));
  MUST(pthread_mutex_lock(&first));
  MUST(pthread_mutex_unlock(&first));
  MUST(pthread_mutex_unlock(&second));
}

int main(void) { IN_TURN(try_then_wait, wait_then_wait); }
