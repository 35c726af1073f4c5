// SPDX-License-Identifier: Apache-2.0
// Wrong: the error path unlocks and then falls into the common end, which unlocks again.
#include "../program.h"

static pthread_mutex_t files = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static int open_file(int broken) {
  int result = 0;
  pthread_mutex_lock(&files);
  if (broken) {
    result = -1;
    pthread_mutex_unlock(&files);
    goto out;
  }
out:
  pthread_mutex_unlock(&files);
  return result;
}

int main(void) { return open_file(0) == 0 && open_file(1) == -1 ? 0 : 1; }
