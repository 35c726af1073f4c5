// SPDX-License-Identifier: Apache-2.0
// Wrong: a cycle over three locks; any two of the threads alone would be safe.
#include "../program.h"

static pthread_mutex_t disk = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t queue = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static void nested(pthread_mutex_t* outer, pthread_mutex_t* inner) {
  MUST(pthread_mutex_lock(outer));
  MUST(pthread_mutex_lock(inner));
  MUST(pthread_mutex_unlock(inner));
  MUST(pthread_mutex_unlock(outer));
}

static void flush(void) { nested(&disk, &cache); }
static void evict(void) { nested(&cache, &queue); }
static void submit(void) { nested(&queue, &disk); }

int main(void) { IN_TURN(flush, evict, submit); }
