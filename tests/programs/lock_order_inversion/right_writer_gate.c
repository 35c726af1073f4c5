// SPDX-License-Identifier: Apache-2.0
// Right: both orders under one read-write lock: one side holds it for writing, so the other, which reads, is kept
// out.
#include "../program.h"

static pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;
static pthread_mutex_t index_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;

static void query(void) {
  MUST(pthread_rwlock_rdlock(&gate));
  MUST(pthread_mutex_lock(&index_lock));
  MUST(pthread_mutex_lock(&heap_lock));
  MUST(pthread_mutex_unlock(&heap_lock));
  MUST(pthread_mutex_unlock(&index_lock));
  MUST(pthread_rwlock_unlock(&gate));
}

static void vacuum(void) {
  MUST(pthread_rwlock_wrlock(&gate));
  MUST(pthread_mutex_lock(&heap_lock));
  MUST(pthread_mutex_lock(&index_lock));
  MUST(pthread_mutex_unlock(&index_lock));
  MUST(pthread_mutex_unlock(&heap_lock));
  MUST(pthread_rwlock_unlock(&gate));
}

int main(void) {
  AT_ONCE(query, vacuum, query);
  IN_TURN(query, vacuum);
}
