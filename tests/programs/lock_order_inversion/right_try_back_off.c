// SPDX-License-Identifier: Apache-2.0
// Right: the inverted order only ever tries, and gives back what it has if the try fails.
#include <sched.h>

#include "../program.h"

static pthread_mutex_t inodes = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pages = PTHREAD_MUTEX_INITIALIZER;

static void write_out(void) {
  for (int i = 0; i < 200; ++i) {
    MUST(pthread_mutex_lock(&inodes));
    MUST(pthread_mutex_lock(&pages));
    MUST(pthread_mutex_unlock(&pages));
    MUST(pthread_mutex_unlock(&inodes));
  }
}

static void reclaim(void) {
  for (int done = 0; done < 200;) {
    MUST(pthread_mutex_lock(&pages));
    int error = pthread_mutex_trylock(&inodes);
    if (error == 0) {
      ++done;
      MUST(pthread_mutex_unlock(&inodes));
    } else if (error != EBUSY) {
      exit(1);
    }
    MUST(pthread_mutex_unlock(&pages));
    if (error != 0) sched_yield();
  }
}

int main(void) {
  AT_ONCE(write_out, reclaim);
  IN_TURN(write_out, reclaim);
}
