// SPDX-License-Identifier: Apache-2.0
// The library of right_library_constructor.c.
#include <pthread.h>

static pthread_mutex_t plugin_state = PTHREAD_MUTEX_INITIALIZER;
static int used;

__attribute__((constructor)) static void load(void) { pthread_mutex_lock(&plugin_state); }

void plugin_use(void) {
  if (used++) pthread_mutex_lock(&plugin_state);
  pthread_mutex_unlock(&plugin_state);
}
