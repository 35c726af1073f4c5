// SPDX-License-Identifier: Apache-2.0
// Above the threshold of 200 ms, with nobody waiting: it is the operator's threshold, so it may be told.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;

int main(void) {
  MUST(pthread_mutex_lock(&jobs));
  pause_ms(300);
  MUST(pthread_mutex_unlock(&jobs));
}
