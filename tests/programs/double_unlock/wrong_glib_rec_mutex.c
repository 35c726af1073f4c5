// SPDX-License-Identifier: Apache-2.0
// Wrong: a GRecMutex unlocked once too often.
#include <glib.h>

#include "../program.h"

static GRecMutex model;

NOT_INLINE static void update(void) {
  g_rec_mutex_lock(&model);
  g_rec_mutex_lock(&model);
  g_rec_mutex_unlock(&model);
  g_rec_mutex_unlock(&model);
  g_rec_mutex_unlock(&model);
}

int main(void) {
  update();
  return 0;
}
