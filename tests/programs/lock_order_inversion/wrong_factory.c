// SPDX-License-Identifier: Apache-2.0
// Wrong: two locks made by one function, in both orders. Nothing but the objects tells them apart.
#include "../program.h"

static pthread_mutex_t *files, *memory;

NOT_INLINE static pthread_mutex_t* new_lock(void) {
  pthread_mutex_t* lock = (pthread_mutex_t*)malloc(sizeof *lock);
  MUST(pthread_mutex_init(lock, NULL));
  return lock;
}

static void open_file(void) {
  MUST(pthread_mutex_lock(files));
  MUST(pthread_mutex_lock(memory));
  MUST(pthread_mutex_unlock(memory));
  MUST(pthread_mutex_unlock(files));
}

static void shrink(void) {
  MUST(pthread_mutex_lock(memory));
  MUST(pthread_mutex_lock(files));
  MUST(pthread_mutex_unlock(files));
  MUST(pthread_mutex_unlock(memory));
}

int main(void) {
  files = new_lock();
  memory = new_lock();
  IN_TURN(open_file, shrink);
}
