// SPDX-License-Identifier: Apache-2.0
// Wrong: the clock cannot be waited by, the call says EINVAL at once, and the program unlocks what it never got.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static void add_job(void) {
  struct timespec limit = {1, 0};
  IGNORED(pthread_mutex_clocklock(&jobs, CLOCK_PROCESS_CPUTIME_ID, &limit));
  MUST(pthread_mutex_unlock(&jobs));
}

int main(void) { add_job(); }
