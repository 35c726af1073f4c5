// SPDX-License-Identifier: Apache-2.0
// Right: both orders, but only in one thread, which cannot wait for itself. Another thread takes one lock at a time.
#include "../program.h"

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;

static void both_orders(void) {
  MUST(pthread_mutex_lock(&first));
  MUST(pthread_mutex_lock(&second));
  MUST(pthread_mutex_unlock(&second));
  MUST(pthread_mutex_unlock(&first));
  MUST(pthread_mutex_lock(&second));
  MUST(pthread_mutex_lock(&first));
  MUST(pthread_mutex_unlock(&first));
  MUST(pthread_mutex_unlock(&second));
}

static void one_at_a_time(void) {
  MUST(pthread_mutex_lock(&first));
  MUST(pthread_mutex_unlock(&first));
  MUST(pthread_mutex_lock(&second));
  MUST(pthread_mutex_unlock(&second));
}

int main(void) {
  AT_ONCE(both_orders, one_at_a_time);
  IN_TURN(both_orders, one_at_a_time);
}
