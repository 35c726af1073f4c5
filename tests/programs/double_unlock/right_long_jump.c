// SPDX-License-Identifier: Apache-2.0
// Right: jumps out of a critical section after it unlocked, and out of nested ones with a recursive lock, each level
// of which is unlocked before.
#include <setjmp.h>

#include "../program.h"

static pthread_mutex_t parser = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local jmp_buf restart;

NOT_INLINE static void parse(int number) {
  MUST(pthread_mutex_lock(&parser));
  if (number % 2) {
    MUST(pthread_mutex_unlock(&parser));
    longjmp(restart, 1);
  }
  MUST(pthread_mutex_unlock(&parser));
}

static void work(void) {
  volatile int number = 0;
  (void)setjmp(restart);
  while (number < 100) {
    number = number + 1;
    parse(number);
  }
}

int main(void) { AT_ONCE(work, work); }
