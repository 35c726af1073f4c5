// SPDX-License-Identifier: Apache-2.0
// Wrong: a function that locks calls another one that locks the same normal mutex. Does not end by itself.
#include "../program.h"

static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static int size_of_cache(void) {
  MUST(pthread_mutex_lock(&cache));
  MUST(pthread_mutex_unlock(&cache));
  return 1;
}

NOT_INLINE static int trim_cache(void) {
  MUST(pthread_mutex_lock(&cache));
  int size = size_of_cache();
  MUST(pthread_mutex_unlock(&cache));
  return size;
}

int main(void) { return trim_cache(); }
