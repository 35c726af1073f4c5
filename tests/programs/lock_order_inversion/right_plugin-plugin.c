// SPDX-License-Identifier: Apache-2.0
// The library of right_plugin.c.
#include <pthread.h>

static pthread_mutex_t plugin_state = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t plugin_cache = PTHREAD_MUTEX_INITIALIZER;

void plugin_use(void) {
  pthread_mutex_lock(&plugin_state);
  pthread_mutex_lock(&plugin_cache);
  pthread_mutex_unlock(&plugin_cache);
  pthread_mutex_unlock(&plugin_state);
}
