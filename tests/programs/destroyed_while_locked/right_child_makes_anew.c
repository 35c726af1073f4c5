// SPDX-License-Identifier: Apache-2.0
// Right: a fork while another thread holds the lock; in the child, where that thread does not exist, the handler
// makes the lock anew, as many libraries do.
#include <sys/wait.h>

#include "../program.h"

static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked, forked;

static void in_child(void) { MUST(pthread_mutex_init(&cache, NULL)); }

static void* worker(void* unused) {
  MUST(pthread_mutex_lock(&cache));
  pass(&locked);
  wait_for(&forked);
  MUST(pthread_mutex_unlock(&cache));
  return unused;
}

int main(void) {
  MUST(pthread_atfork(NULL, NULL, in_child));
  pthread_t thread = start(worker, NULL);
  wait_for(&locked);
  pid_t child = fork();
  if (child == 0) {
    MUST(pthread_mutex_lock(&cache));
    MUST(pthread_mutex_unlock(&cache));
    MUST(pthread_mutex_destroy(&cache));
    _exit(0);
  }
  pass(&forked);
  finish(thread);
  int status;
  return waitpid(child, &status, 0) == child ? status : 1;
}
