// SPDX-License-Identifier: Apache-2.0
// Not wrong enough to call it more: a thread hands its mutex over by its end; who joins it unlocks. Nothing is lost.
#include "../program.h"

static pthread_mutex_t result_is_ready = PTHREAD_MUTEX_INITIALIZER;

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&result_is_ready));
  return unused;
}

int main(void) {
  for (int i = 0; i < 3; ++i) {
    finish(start(worker, NULL));
    MUST(pthread_mutex_unlock(&result_is_ready));
  }
}
