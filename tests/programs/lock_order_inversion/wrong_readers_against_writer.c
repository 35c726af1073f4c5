// SPDX-License-Identifier: Apache-2.0
// Wrong: reading left, then right, in one thread; writing right, then left, in another. Readers let each other in,
// but neither lets the writer in, nor he them.
#include "../program.h"

static pthread_rwlock_t left = PTHREAD_RWLOCK_INITIALIZER;
static pthread_rwlock_t right = PTHREAD_RWLOCK_INITIALIZER;

static void read_both(void) {
  MUST(pthread_rwlock_rdlock(&left));
  MUST(pthread_rwlock_rdlock(&right));
  MUST(pthread_rwlock_unlock(&right));
  MUST(pthread_rwlock_unlock(&left));
}

static void write_both(void) {
  MUST(pthread_rwlock_wrlock(&right));
  MUST(pthread_rwlock_wrlock(&left));
  MUST(pthread_rwlock_unlock(&left));
  MUST(pthread_rwlock_unlock(&right));
}

int main(void) { IN_TURN(read_both, write_both); }
