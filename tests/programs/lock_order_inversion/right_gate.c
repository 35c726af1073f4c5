// SPDX-License-Identifier: Apache-2.0
// Right: both orders, but only ever with a third lock held, which lets in one thread at a time.
#include "../program.h"

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t source = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t target = PTHREAD_MUTEX_INITIALIZER;

static void both(pthread_mutex_t* first, pthread_mutex_t* second) {
  MUST(pthread_mutex_lock(&gate));
  MUST(pthread_mutex_lock(first));
  MUST(pthread_mutex_lock(second));
  MUST(pthread_mutex_unlock(&gate));  // not needed any more: both are held
  MUST(pthread_mutex_unlock(second));
  MUST(pthread_mutex_unlock(first));
}

static void copy(void) {
  for (int i = 0; i < 100; ++i) both(&source, &target);
}

static void restore(void) {
  for (int i = 0; i < 100; ++i) both(&target, &source);
}

int main(void) {
  AT_ONCE(copy, restore);
  IN_TURN(copy, restore);
}
