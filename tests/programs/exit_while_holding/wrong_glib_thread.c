// SPDX-License-Identifier: Apache-2.0
// Wrong: a GThread ends with a GRecMutex taken twice and given back once.
#include <glib.h>

#include "../program.h"

static GRecMutex model;

static gpointer worker(gpointer unused) {
  g_rec_mutex_lock(&model);
  g_rec_mutex_lock(&model);
  g_rec_mutex_unlock(&model);
  return unused;
}

int main(void) {
  g_thread_join(g_thread_new("worker", worker, NULL));
  return g_rec_mutex_trylock(&model) ? 1 : 0;
}
