// SPDX-License-Identifier: Apache-2.0
// Right: GLib locks of all kinds, cleared when nobody holds them.
#include <glib.h>

#include "../program.h"

int main(void) {
  for (int i = 0; i < 20; ++i) {
    GMutex plain;
    GRecMutex recursive;
    GRWLock settings;
    g_mutex_init(&plain);
    g_rec_mutex_init(&recursive);
    g_rw_lock_init(&settings);
    g_mutex_lock(&plain);
    g_rec_mutex_lock(&recursive);
    g_rec_mutex_lock(&recursive);
    g_rw_lock_writer_lock(&settings);
    g_rw_lock_writer_unlock(&settings);
    g_rec_mutex_unlock(&recursive);
    g_rec_mutex_unlock(&recursive);
    g_mutex_unlock(&plain);
    g_rw_lock_clear(&settings);
    g_rec_mutex_clear(&recursive);
    g_mutex_clear(&plain);
  }
}
