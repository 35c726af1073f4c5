// SPDX-License-Identifier: Apache-2.0
// Wrong: two threads of one OpenMP team take two locks in both orders; the barrier between the rounds does not help,
// for each round has both.
#include <omp.h>

#include "../program.h"

static pthread_mutex_t rows = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t columns = PTHREAD_MUTEX_INITIALIZER;
static sem_t turn;

NOT_INLINE static void add_row(void) {
  MUST(pthread_mutex_lock(&rows));
  MUST(pthread_mutex_lock(&columns));
  MUST(pthread_mutex_unlock(&columns));
  MUST(pthread_mutex_unlock(&rows));
  pass(&turn);
}

NOT_INLINE static void add_column(void) {
  wait_for(&turn);
  MUST(pthread_mutex_lock(&columns));
  MUST(pthread_mutex_lock(&rows));
  MUST(pthread_mutex_unlock(&rows));
  MUST(pthread_mutex_unlock(&columns));
}

int main(void) {
  MUST(sem_init(&turn, 0, 0));
#pragma omp parallel num_threads(2)
  {
    for (int round = 0; round < 2; ++round) {
      if (omp_get_thread_num() == 0) {
        add_row();
      } else {
        add_column();
      }
#pragma omp barrier
    }
  }
}
