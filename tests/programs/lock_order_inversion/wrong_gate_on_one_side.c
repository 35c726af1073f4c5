// SPDX-License-Identifier: Apache-2.0
// Wrong: one thread takes a gate lock before the two locks, the other does not take it, so the gate keeps nobody out.
#include "../program.h"

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t source = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t target = PTHREAD_MUTEX_INITIALIZER;

static void copy(void) {
  MUST(pthread_mutex_lock(&gate));
  MUST(pthread_mutex_lock(&source));
  MUST(pthread_mutex_lock(&target));
  MUST(pthread_mutex_unlock(&target));
  MUST(pthread_mutex_unlock(&source));
  MUST(pthread_mutex_unlock(&gate));
}

static void restore(void) {
  MUST(pthread_mutex_lock(&target));
  MUST(pthread_mutex_lock(&source));
  MUST(pthread_mutex_unlock(&source));
  MUST(pthread_mutex_unlock(&target));
}

int main(void) { IN_TURN(copy, restore); }
