// SPDX-License-Identifier: Apache-2.0
// Wrong: a GRecMutex unlocked by a thread that does not hold it.
#include <glib.h>

#include "../program.h"

static GRecMutex model;
static sem_t locked, tried;

static gpointer worker(gpointer unused) {
  g_rec_mutex_lock(&model);
  pass(&locked);
  wait_for(&tried);
  g_rec_mutex_unlock(&model);
  return unused;
}

int main(void) {
  GThread* thread = g_thread_new("worker", worker, NULL);
  wait_for(&locked);
  g_rec_mutex_unlock(&model);
  pass(&tried);
  g_thread_join(thread);
}
