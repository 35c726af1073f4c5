// SPDX-License-Identifier: Apache-2.0
// Right: GLib's lockers, which unlock at the end of their scope; a GRecMutex as deep as it was taken.
#include <glib.h>

#include "../program.h"

static GRecMutex model;
static GMutex plain;
static GRWLock settings;

static void update(void) {
  for (int i = 0; i < 50; ++i) {
    g_autoptr(GRecMutexLocker) outer = g_rec_mutex_locker_new(&model);
    g_autoptr(GRecMutexLocker) again = g_rec_mutex_locker_new(&model);
    g_autoptr(GMutexLocker) other = g_mutex_locker_new(&plain);
    g_autoptr(GRWLockReaderLocker) reading = g_rw_lock_reader_locker_new(&settings);
    g_assert(outer && again && other && reading);
  }
  if (g_rec_mutex_trylock(&model)) g_rec_mutex_unlock(&model);
}

int main(void) { AT_ONCE(update, update, update); }
