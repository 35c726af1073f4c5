// SPDX-License-Identifier: Apache-2.0
// Wrong: waits for a normal mutex that it holds itself, until the time is over.
#include "../program.h"

static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static void trim_cache(void) {
  struct timespec limit = in_ms(CLOCK_REALTIME, 50);
  MUST(pthread_mutex_lock(&cache));
  GIVES(ETIMEDOUT, pthread_mutex_timedlock(&cache, &limit));
  MUST(pthread_mutex_unlock(&cache));
}

int main(void) { trim_cache(); }
