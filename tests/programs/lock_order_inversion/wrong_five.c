// SPDX-License-Identifier: Apache-2.0
// Wrong: a cycle over five locks: philosophers who all take the left fork first, one after the other, so that none
// starves today.
#include "../program.h"

static pthread_mutex_t fork_a = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t fork_b = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t fork_c = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t fork_d = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t fork_e = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static void dine(pthread_mutex_t* left, pthread_mutex_t* right) {
  MUST(pthread_mutex_lock(left));
  MUST(pthread_mutex_lock(right));
  MUST(pthread_mutex_unlock(left));
  MUST(pthread_mutex_unlock(right));
}

static void plato(void) { dine(&fork_a, &fork_b); }
static void zeno(void) { dine(&fork_b, &fork_c); }
static void thales(void) { dine(&fork_c, &fork_d); }
static void hypatia(void) { dine(&fork_d, &fork_e); }
static void solon(void) { dine(&fork_e, &fork_a); }

int main(void) { IN_TURN(plato, zeno, thales, hypatia, solon); }
