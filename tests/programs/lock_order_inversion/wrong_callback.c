// SPDX-License-Identifier: Apache-2.0
// Wrong: the registry calls its listeners with its lock held, and a listener takes the cache's lock; the cache, with
// its own lock held, registers a listener.
#include "../program.h"

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;
static void (*listener)(void);

NOT_INLINE static void registry_set(void (*new_listener)(void)) {
  MUST(pthread_mutex_lock(&registry));
  listener = new_listener;
  MUST(pthread_mutex_unlock(&registry));
}

NOT_INLINE static void cache_invalidate(void) {
  MUST(pthread_mutex_lock(&cache));
  MUST(pthread_mutex_unlock(&cache));
}

static void cache_open(void) {
  MUST(pthread_mutex_lock(&cache));
  registry_set(cache_invalidate);
  MUST(pthread_mutex_unlock(&cache));
}

static void registry_notify(void) {
  MUST(pthread_mutex_lock(&registry));
  listener();
  MUST(pthread_mutex_unlock(&registry));
}

int main(void) { IN_TURN(cache_open, registry_notify); }
