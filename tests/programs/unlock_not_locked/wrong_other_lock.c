// SPDX-License-Identifier: Apache-2.0
// Wrong: locks one account and unlocks another one. The lock of the first stays taken until the process ends.
#include "../program.h"

static pthread_mutex_t mine = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t yours = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static void deposit(pthread_mutex_t* locked, pthread_mutex_t* unlocked) {
  MUST(pthread_mutex_lock(locked));
  MUST(pthread_mutex_unlock(unlocked));
}

int main(void) { deposit(&mine, &yours); }
