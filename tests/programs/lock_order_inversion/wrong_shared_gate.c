// SPDX-License-Identifier: Apache-2.0
// Wrong: both threads hold the gate when they take the two locks in different orders, but both hold it for reading,
// which lets both in.
#include "../program.h"

static pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t source = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t target = PTHREAD_MUTEX_INITIALIZER;

static void copy(void) {
  MUST(pthread_rwlock_rdlock(&gate));
  MUST(pthread_mutex_lock(&source));
  MUST(pthread_mutex_lock(&target));
  MUST(pthread_mutex_unlock(&target));
  MUST(pthread_mutex_unlock(&source));
  MUST(pthread_rwlock_unlock(&gate));
}

static void restore(void) {
  MUST(pthread_rwlock_rdlock(&gate));
  MUST(pthread_mutex_lock(&target));
  MUST(pthread_mutex_lock(&source));
  MUST(pthread_mutex_unlock(&source));
  MUST(pthread_mutex_unlock(&target));
  MUST(pthread_rwlock_unlock(&gate));
}

int main(void) { IN_TURN(copy, restore); }
