// SPDX-License-Identifier: Apache-2.0
// Right, though it asks for what it holds: an errorcheck mutex promises EDEADLK and EPERM, the program looks at them
// and does what they ask for.
#include "../program.h"

static pthread_mutex_t cache = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

NOT_INLINE static int size_of_cache(void) {
  int error = pthread_mutex_lock(&cache);
  if (error != 0 && error != EDEADLK) exit(1);
  if (error == 0) MUST(pthread_mutex_unlock(&cache));
  return 1;
}

NOT_INLINE static void trim_cache(void) {
  MUST(pthread_mutex_lock(&cache));
  size_of_cache();
  MUST(pthread_mutex_unlock(&cache));
}

int main(void) {
  trim_cache();
  size_of_cache();
  GIVES(EPERM, pthread_mutex_unlock(&cache));
}
