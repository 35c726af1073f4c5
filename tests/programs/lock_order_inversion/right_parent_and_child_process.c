// SPDX-License-Identifier: Apache-2.0
// Right: a process takes first, then second; its child second, then first. They have a copy of the locks each, so
// neither can keep the other waiting.
#include <sys/wait.h>

#include "../program.h"

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;

static void* forward(void* unused) {
  MUST(pthread_mutex_lock(&first));
  MUST(pthread_mutex_lock(&second));
  MUST(pthread_mutex_unlock(&second));
  MUST(pthread_mutex_unlock(&first));
  return unused;
}

static void* backward(void* unused) {
  MUST(pthread_mutex_lock(&second));
  MUST(pthread_mutex_lock(&first));
  MUST(pthread_mutex_unlock(&first));
  MUST(pthread_mutex_unlock(&second));
  return unused;
}

int main(void) {
  pid_t child = fork();
  if (child == 0) {
    finish(start(backward, NULL));
    _exit(0);
  }
  finish(start(forward, NULL));
  int status;
  return waitpid(child, &status, 0) == child ? status : 1;
}
