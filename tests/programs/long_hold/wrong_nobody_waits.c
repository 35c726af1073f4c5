// SPDX-License-Identifier: Apache-2.0
// Wrong by the threshold of 200 ms, which the operator set, though nobody waits.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;

int main(void) {
  MUST(pthread_mutex_lock(&jobs));
  pause_ms(300);
  MUST(pthread_mutex_unlock(&jobs));
}
