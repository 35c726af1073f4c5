// SPDX-License-Identifier: Apache-2.0
// Wrong: g_rec_mutex_unlock without a lock.
#include <glib.h>

#include "../program.h"

static GRecMutex model;

int main(void) {
  g_rec_mutex_init(&model);
  g_rec_mutex_unlock(&model);
  g_rec_mutex_clear(&model);
}
