// SPDX-License-Identifier: Apache-2.0
// Right: one function makes all locks of the program, as in many portability layers, whatever they are for. Taken in
// one order: files, log, memory. Nothing but the objects tells files from memory.
#include "../program.h"

static pthread_mutex_t* files;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t* memory;

NOT_INLINE static pthread_mutex_t* new_lock(void) {
  pthread_mutex_t* lock = (pthread_mutex_t*)malloc(sizeof *lock);
  MUST(pthread_mutex_init(lock, NULL));
  return lock;
}

static void open_file(void) {
  MUST(pthread_mutex_lock(files));
  MUST(pthread_mutex_lock(&log_lock));
  MUST(pthread_mutex_unlock(&log_lock));
  MUST(pthread_mutex_unlock(files));
}

static void write_log(void) {
  MUST(pthread_mutex_lock(&log_lock));
  MUST(pthread_mutex_lock(memory));
  MUST(pthread_mutex_unlock(memory));
  MUST(pthread_mutex_unlock(&log_lock));
}

static void close_all(void) {
  MUST(pthread_mutex_lock(files));
  MUST(pthread_mutex_lock(memory));
  MUST(pthread_mutex_unlock(memory));
  MUST(pthread_mutex_unlock(files));
}

int main(void) {
  files = new_lock();
  memory = new_lock();
  IN_TURN(open_file, write_log, close_all);
}
