// SPDX-License-Identifier: Apache-2.0
// Right: a thread that is not the first forks with a lock held; in the child it is the one thread, and unlocks its
// copy.
#include <sys/wait.h>

#include "../program.h"

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void* worker(void* result) {
  MUST(pthread_mutex_lock(&log_lock));
  pid_t child = fork();
  if (child == 0) {
    MUST(pthread_mutex_unlock(&log_lock));
    MUST(pthread_mutex_lock(&log_lock));
    MUST(pthread_mutex_unlock(&log_lock));
    _exit(0);
  }
  MUST(pthread_mutex_unlock(&log_lock));
  *(int*)result = -1;
  if (waitpid(child, (int*)result, 0) != child) exit(1);
  return NULL;
}

int main(void) {
  int result;
  finish(start(worker, &result));
  return result;
}
