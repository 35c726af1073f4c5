// SPDX-License-Identifier: Apache-2.0
// Right: 300 ms in all, in 30 short holds.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;

static void work(void) {
  for (int i = 0; i < 15; ++i) {
    MUST(pthread_mutex_lock(&jobs));
    pause_ms(10);
    MUST(pthread_mutex_unlock(&jobs));
    pause_ms(1);
  }
}

int main(void) { AT_ONCE(work, work); }
