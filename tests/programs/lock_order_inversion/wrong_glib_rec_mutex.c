// SPDX-License-Identifier: Apache-2.0
// Wrong: two GRecMutex in both orders. GLib makes the real mutexes of all GRecMutex in one place, so nothing but the
// objects tells them apart.
#include <glib.h>

#include "../program.h"

static GRecMutex model, view;

static void update_view(void) {
  g_rec_mutex_lock(&model);
  g_rec_mutex_lock(&view);
  g_rec_mutex_unlock(&view);
  g_rec_mutex_unlock(&model);
}

static void clicked(void) {
  g_rec_mutex_lock(&view);
  g_rec_mutex_lock(&model);
  g_rec_mutex_unlock(&model);
  g_rec_mutex_unlock(&view);
}

int main(void) { IN_TURN(update_view, clicked); }
