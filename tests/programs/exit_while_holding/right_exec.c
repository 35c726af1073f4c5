// SPDX-License-Identifier: Apache-2.0
// Right: exec while this thread and another one hold locks: all of it is gone, the new program starts afresh. It is
// the same file, so its locks are the same ones by name.
#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static sem_t locked;

static void* holder(void* unused) {
  MUST(pthread_mutex_lock(&jobs));
  pass(&locked);
  pause();
  return unused;
}

static void* replacer(void* path) {
  MUST(pthread_mutex_lock(&log_lock));
  execl("/proc/self/exe", (char*)path, "again", (char*)NULL);
  return NULL;
}

int main(int argc, char** argv) {
  if (argc > 1) {
    MUST(pthread_mutex_lock(&jobs));
    MUST(pthread_mutex_lock(&log_lock));
    MUST(pthread_mutex_unlock(&log_lock));
    MUST(pthread_mutex_unlock(&jobs));
    return 0;
  }
  start(holder, NULL);
  wait_for(&locked);
  finish(start(replacer, argv[0]));
  return 1;
}
