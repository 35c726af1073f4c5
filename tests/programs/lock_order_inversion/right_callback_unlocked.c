// SPDX-License-Identifier: Apache-2.0
// Right: the registry lets go of its lock before it calls its listener, which takes cache, then registry.
#include "../program.h"

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cache = PTHREAD_MUTEX_INITIALIZER;
static void (*listener)(void);

static void cache_invalidate(void) {
  MUST(pthread_mutex_lock(&cache));
  MUST(pthread_mutex_lock(&registry));
  listener = cache_invalidate;
  MUST(pthread_mutex_unlock(&registry));
  MUST(pthread_mutex_unlock(&cache));
}

static void registry_notify(void) {
  for (int i = 0; i < 100; ++i) {
    MUST(pthread_mutex_lock(&registry));
    void (*call)(void) = listener;
    MUST(pthread_mutex_unlock(&registry));
    if (call) call();
    MUST(pthread_mutex_lock(&registry));
    MUST(pthread_mutex_unlock(&registry));
  }
}

int main(void) { AT_ONCE(cache_invalidate, registry_notify, registry_notify); }
