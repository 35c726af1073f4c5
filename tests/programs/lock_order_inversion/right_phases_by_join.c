// SPDX-License-Identifier: Apache-2.0
// Right: phase after phase, each thread joined before the next is started; the phases take the locks in turns, one
// way and the other.
#include "../program.h"

static pthread_mutex_t input = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static void* read_phase(void* unused) {
  MUST(pthread_mutex_lock(&input));
  MUST(pthread_mutex_lock(&output));
  MUST(pthread_mutex_unlock(&output));
  MUST(pthread_mutex_unlock(&input));
  return unused;
}

static void* write_phase(void* unused) {
  MUST(pthread_mutex_lock(&output));
  MUST(pthread_mutex_lock(&input));
  MUST(pthread_mutex_unlock(&input));
  MUST(pthread_mutex_unlock(&output));
  return unused;
}

int main(void) {
  for (int i = 0; i < 3; ++i) {
    finish(start(read_phase, NULL));
    finish(start(write_phase, NULL));
  }
}
