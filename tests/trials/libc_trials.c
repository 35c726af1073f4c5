// SPDX-License-Identifier: Apache-2.0
// Locks of the C library itself: streams, and the loader behind a constructor that does not end.
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include "play.h"

enum { FLOCKFILE, PUTC };

static void hold_stream(void* stream) { flockfile(stream); }

static void wait_stream(struct trial* trial, void* stream) {
  (void)trial;
  if (playing->variant == FLOCKFILE) flockfile(stream);
  else putc('x', stream);
}

static void play_stream(struct trial* trial, int index) {
  FILE* f = fopen("/dev/null", "w");
  must(f != NULL, "/dev/null");
  set_truth(trial, "stdio", NULL, have_holder(index, hold_stream, f));
  start_waiter(trial, wait_stream, f);
}

#if defined(__GLIBC__) && !defined(TRIALS_STATIC)
/* Called by the constructor of the slow library. */
__attribute__((visibility("default"))) void trials_constructor(void) {
  acted();
  sleep_for_good();
}

static void load_slowly(void* name) {
  dlopen(name, RTLD_NOW);
  must(0, "the slow library was loaded");
}

static void wait_loader(struct trial* trial, void* object) {
  (void)trial;
  (void)object;
  dlopen("libm.so.6", RTLD_NOW);
}

static void play_loader(struct trial* trial, int index) {
  static uint32_t loading;
  (void)index;
  if (!slow_library) skip("no slow library was given");
  if (!loading) loading = have_stuck_thread(load_slowly, (void*)(uintptr_t)slow_library);
  set_truth(trial, "loader", NULL, loading);
  start_waiter(trial, wait_loader, NULL);
}
#endif

const struct primitive libc_primitives[] = {
    {"stdio:flockfile", play_stream, 0, FLOCKFILE},
    {"stdio:putc", play_stream, 0, PUTC},
#if defined(__GLIBC__) && !defined(TRIALS_STATIC)
    {"loader", play_loader, 0, 0},
#endif
    {0},
};
