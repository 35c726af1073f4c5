// SPDX-License-Identifier: Apache-2.0
// Wrong: the two orders at the same time. Does not end by itself.
#include "../program.h"

static pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t right = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both_hold;

static void left_first(void) {
  MUST(pthread_mutex_lock(&left));
  pthread_barrier_wait(&both_hold);
  MUST(pthread_mutex_lock(&right));
}

static void right_first(void) {
  MUST(pthread_mutex_lock(&right));
  pthread_barrier_wait(&both_hold);
  MUST(pthread_mutex_lock(&left));
}

int main(void) {
  MUST(pthread_barrier_init(&both_hold, NULL, 2));
  AT_ONCE(left_first, right_first);
}
