// SPDX-License-Identifier: Apache-2.0
// Wrong: both orders in both phases; the barrier between the phases orders nothing within one of them.
#include "../program.h"

static pthread_mutex_t rows = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t columns = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t between;
static sem_t turn;

NOT_INLINE static void add_row(void) {
  MUST(pthread_mutex_lock(&rows));
  MUST(pthread_mutex_lock(&columns));
  MUST(pthread_mutex_unlock(&columns));
  MUST(pthread_mutex_unlock(&rows));
}

NOT_INLINE static void add_column(void) {
  MUST(pthread_mutex_lock(&columns));
  MUST(pthread_mutex_lock(&rows));
  MUST(pthread_mutex_unlock(&rows));
  MUST(pthread_mutex_unlock(&columns));
}

static void one(void) {
  for (int i = 0; i < 3; ++i) {
    add_row();
    pass(&turn);
    pthread_barrier_wait(&between);
  }
}

static void other(void) {
  for (int i = 0; i < 3; ++i) {
    wait_for(&turn);
    add_column();
    pthread_barrier_wait(&between);
  }
}

int main(void) {
  MUST(sem_init(&turn, 0, 0));
  MUST(pthread_barrier_init(&between, NULL, 2));
  AT_ONCE(one, other);
}
