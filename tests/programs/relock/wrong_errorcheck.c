// SPDX-License-Identifier: Apache-2.0
// Wrong: relocks an errorcheck mutex, and goes on without a look at the EDEADLK that it gets; unlocks once.
#include "../program.h"

static pthread_mutex_t cache = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

NOT_INLINE static void trim_cache(void) {
  MUST(pthread_mutex_lock(&cache));
  IGNORED(pthread_mutex_lock(&cache));
  MUST(pthread_mutex_unlock(&cache));
}

int main(void) { trim_cache(); }
