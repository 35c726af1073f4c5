// SPDX-License-Identifier: Apache-2.0
// Right: one order in a program, the other one in the program that it becomes by exec, in the same process at the
// same addresses (where they are not random).
#include "../program.h"

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_MUTEX_INITIALIZER;

static void* nested(void* backward) {
  MUST(pthread_mutex_lock(backward ? &second : &first));
  MUST(pthread_mutex_lock(backward ? &first : &second));
  MUST(pthread_mutex_unlock(&first));
  MUST(pthread_mutex_unlock(&second));
  return NULL;
}

int main(int argc, char** argv) {
  if (argc > 1) {
    finish(start(nested, argv));
    return 0;
  }
  finish(start(nested, NULL));
  execl("/proc/self/exe", argv[0], "again", (char*)NULL);
  return 1;
}
