// SPDX-License-Identifier: Apache-2.0
// Right: as key_destructor, with GLib: a GPrivate lets go of the GRecMutex that its thread took.
#include <glib.h>

#include "../program.h"

static GRecMutex model;

static void release(gpointer lock) { g_rec_mutex_unlock((GRecMutex*)lock); }

static GPrivate held = G_PRIVATE_INIT(release);

static gpointer worker(gpointer unused) {
  g_rec_mutex_lock(&model);
  g_private_set(&held, &model);
  return unused;
}

int main(void) {
  g_thread_join(g_thread_new("worker", worker, NULL));
  g_thread_join(g_thread_new("worker", worker, NULL));
  return g_rec_mutex_trylock(&model) ? 0 : 1;
}
