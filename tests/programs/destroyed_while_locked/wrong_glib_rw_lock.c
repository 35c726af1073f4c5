// SPDX-License-Identifier: Apache-2.0
// Wrong: g_rw_lock_clear with a reader left.
#include <glib.h>

#include "../program.h"

static GRWLock settings;

int main(void) {
  g_rw_lock_init(&settings);
  g_rw_lock_reader_lock(&settings);
  g_rw_lock_clear(&settings);
}
