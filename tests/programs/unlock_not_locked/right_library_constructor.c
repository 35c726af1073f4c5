// SPDX-License-Identifier: Apache-2.0
// Right: a library takes its lock in its constructor, that runs within dlopen, and lets go of it when it is first
// used.
#include <dlfcn.h>

#include "../program.h"

int main(int argc, char** argv) {
  char path[4096];
  (void)argc;
  snprintf(path, sizeof path, "%s-plugin.so", argv[0]);
  void* library = dlopen(path, RTLD_NOW);
  if (!library) return 1;
  void (*use)(void);
  *(void**)&use = dlsym(library, "plugin_use");
  use();
  dlclose(library);
}
