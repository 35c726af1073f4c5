// SPDX-License-Identifier: Apache-2.0
// Right: GLib's locks of all kinds, its queue and its thread pool. GMutex is not seen, GRecMutex and GRWLock are; all
// GRecMutexes come from one place in the library.
#include <glib.h>

#include "../program.h"

static GMutex plain;
static GRecMutex model, view;
static GRWLock settings;
static GCond changed;
static GAsyncQueue* queue;
static int done;

static void work(gpointer item, gpointer unused) {
  (void)unused;
  g_rec_mutex_lock(&model);
  g_rec_mutex_lock(&view);
  g_rec_mutex_lock(&model);
  g_rw_lock_reader_lock(&settings);
  g_rw_lock_reader_unlock(&settings);
  g_rec_mutex_unlock(&model);
  g_rec_mutex_unlock(&view);
  g_rec_mutex_unlock(&model);
  g_mutex_lock(&plain);
  g_async_queue_push(queue, item);
  ++done;
  g_cond_signal(&changed);
  g_mutex_unlock(&plain);
}

int main(void) {
  queue = g_async_queue_new();
  GThreadPool* pool = g_thread_pool_new(work, NULL, 3, FALSE, NULL);
  for (int i = 1; i <= 30; ++i) g_thread_pool_push(pool, GINT_TO_POINTER(i), NULL);
  g_mutex_lock(&plain);
  while (done < 30) g_cond_wait(&changed, &plain);
  g_mutex_unlock(&plain);
  g_rw_lock_writer_lock(&settings);
  g_rw_lock_writer_unlock(&settings);
  g_thread_pool_free(pool, FALSE, TRUE);
  g_async_queue_unref(queue);
}
