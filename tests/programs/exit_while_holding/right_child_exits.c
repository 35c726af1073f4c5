// SPDX-License-Identifier: Apache-2.0
// Right: a thread forks with a lock held; the child, that has a copy of the lock, ends at once.
#include <sys/wait.h>

#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;

static void* worker(void* result) {
  MUST(pthread_mutex_lock(&jobs));
  pid_t child = fork();
  if (child == 0) _exit(0);
  *(int*)result = -1;
  if (waitpid(child, (int*)result, 0) != child) exit(1);
  MUST(pthread_mutex_unlock(&jobs));
  return NULL;
}

int main(void) {
  int result;
  finish(start(worker, &result));
  return result;
}
