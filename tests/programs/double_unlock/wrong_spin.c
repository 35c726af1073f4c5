// SPDX-License-Identifier: Apache-2.0
// Wrong: a spin lock unlocked twice.
#include "../program.h"

static pthread_spinlock_t counter;

NOT_INLINE static void count(void) {
  MUST(pthread_spin_lock(&counter));
  MUST(pthread_spin_unlock(&counter));
  MUST(pthread_spin_unlock(&counter));
}

int main(void) {
  MUST(pthread_spin_init(&counter, PTHREAD_PROCESS_PRIVATE));
  IN_TURN(count);
}
