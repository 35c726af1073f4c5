// SPDX-License-Identifier: Apache-2.0
// Right: a library, opened while the program runs, has locks of its own. The program takes its lock, then the library
// takes its two, in the order that the library keeps everywhere. Opened, closed and opened again.
#include <dlfcn.h>

#include "../program.h"

static pthread_mutex_t plugins = PTHREAD_MUTEX_INITIALIZER;
static void (*plugin_use)(void);

static void use(void) {
  for (int i = 0; i < 50; ++i) {
    MUST(pthread_mutex_lock(&plugins));
    plugin_use();
    MUST(pthread_mutex_unlock(&plugins));
    plugin_use();
  }
}

int main(int argc, char** argv) {
  char path[4096];
  (void)argc;
  snprintf(path, sizeof path, "%s-plugin.so", argv[0]);
  for (int i = 0; i < 2; ++i) {
    void* library = dlopen(path, RTLD_NOW);
    if (!library) return 1;
    *(void**)&plugin_use = dlsym(library, "plugin_use");
    AT_ONCE(use, use);
    dlclose(library);
  }
}
