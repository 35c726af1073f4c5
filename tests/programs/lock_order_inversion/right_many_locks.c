// SPDX-License-Identifier: Apache-2.0
// Right: one thread holds 200 locks at once, always taken in the same order, let go of in that order or in reverse;
// other threads take some of them in that order.
#include "../program.h"

enum { kLocks = 200 };
static pthread_mutex_t locks[kLocks];

static void all_of_them(void) {
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < kLocks; ++i) MUST(pthread_mutex_lock(&locks[i]));
    for (int i = 0; i < kLocks; ++i) MUST(pthread_mutex_unlock(&locks[round ? i : kLocks - 1 - i]));
  }
}

static void some_of_them(void) {
  for (int i = 0; i + 7 < kLocks; ++i) {
    MUST(pthread_mutex_lock(&locks[i]));
    MUST(pthread_mutex_lock(&locks[i + 7]));
    MUST(pthread_mutex_unlock(&locks[i]));
    MUST(pthread_mutex_unlock(&locks[i + 7]));
  }
}

int main(void) {
  for (int i = 0; i < kLocks; ++i) MUST(pthread_mutex_init(&locks[i], NULL));
  AT_ONCE(all_of_them, some_of_them);
  IN_TURN(some_of_them, all_of_them);
  for (int i = 0; i < kLocks; ++i) MUST(pthread_mutex_destroy(&locks[i]));
}
