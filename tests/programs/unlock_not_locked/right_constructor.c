// SPDX-License-Identifier: Apache-2.0
// Right: a constructor, which runs before main, takes a lock that main lets go of.
#include "../program.h"

static pthread_mutex_t booting = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor(200))) static void boot(void) { MUST(pthread_mutex_lock(&booting)); }

int main(void) {
  MUST(pthread_mutex_unlock(&booting));
  MUST(pthread_mutex_lock(&booting));
  MUST(pthread_mutex_unlock(&booting));
}
