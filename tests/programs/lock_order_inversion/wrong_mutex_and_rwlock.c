// SPDX-License-Identifier: Apache-2.0
// Wrong: a mutex, then a read-write lock for reading; elsewhere the read-write lock for writing, then the mutex.
#include "../program.h"

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t settings = PTHREAD_RWLOCK_INITIALIZER;

static void write_log(void) {
  MUST(pthread_mutex_lock(&log_lock));
  MUST(pthread_rwlock_rdlock(&settings));
  MUST(pthread_rwlock_unlock(&settings));
  MUST(pthread_mutex_unlock(&log_lock));
}

static void change_setting(void) {
  MUST(pthread_rwlock_wrlock(&settings));
  MUST(pthread_mutex_lock(&log_lock));
  MUST(pthread_mutex_unlock(&log_lock));
  MUST(pthread_rwlock_unlock(&settings));
}

int main(void) { IN_TURN(write_log, change_setting); }
