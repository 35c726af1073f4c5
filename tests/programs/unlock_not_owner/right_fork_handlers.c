// SPDX-License-Identifier: Apache-2.0
// Right: fork handlers take the locks before a fork and let go of them after it, in the parent and in the child, so
// that the child's copies are whole.
#include <sys/wait.h>

#include "../program.h"

static pthread_mutex_t heap = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t list = PTHREAD_MUTEX_INITIALIZER;
static sem_t stop;

static void prepare(void) {
  MUST(pthread_mutex_lock(&heap));
  MUST(pthread_mutex_lock(&list));
}

static void release(void) {
  MUST(pthread_mutex_unlock(&list));
  MUST(pthread_mutex_unlock(&heap));
}

static void* worker(void* unused) {
  while (sem_trywait(&stop) != 0) {
    MUST(pthread_mutex_lock(&heap));
    MUST(pthread_mutex_lock(&list));
    MUST(pthread_mutex_unlock(&list));
    MUST(pthread_mutex_unlock(&heap));
  }
  return unused;
}

int main(void) {
  MUST(pthread_atfork(prepare, release, release));
  pthread_t thread = start(worker, NULL);
  int failed = 0;
  for (int i = 0; i < 4; ++i) {
    pid_t child = fork();
    if (child == 0) {
      MUST(pthread_mutex_lock(&heap));
      MUST(pthread_mutex_unlock(&heap));
      _exit(0);
    }
    int status;
    failed |= waitpid(child, &status, 0) != child || status != 0;
  }
  pass(&stop);
  finish(thread);
  return failed;
}
