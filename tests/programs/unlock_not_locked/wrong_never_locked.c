// SPDX-License-Identifier: Apache-2.0
// Wrong: unlocks a mutex that nobody has ever locked.
#include "../program.h"

static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static void forget(int locked) {
  if (locked) MUST(pthread_mutex_lock(&cache));
  MUST(pthread_mutex_unlock(&cache));
}

int main(void) { forget(0); }
