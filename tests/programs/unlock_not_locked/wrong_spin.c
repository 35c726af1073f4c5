// SPDX-License-Identifier: Apache-2.0
// Wrong: a spin lock "released" at set-up, by one who thinks that it is made locked.
#include "../program.h"

static pthread_spinlock_t counter;

NOT_INLINE static void set_up(void) {
  MUST(pthread_spin_init(&counter, PTHREAD_PROCESS_PRIVATE));
  MUST(pthread_spin_unlock(&counter));
}

int main(void) { set_up(); }
