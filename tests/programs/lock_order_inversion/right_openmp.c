// SPDX-License-Identifier: Apache-2.0
// Right: OpenMP's own locks and critical sections around a pthread mutex, and a reduction; one order only.
#include <omp.h>

#include "../program.h"

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static omp_lock_t column;
static long counted;

int main(void) {
  omp_init_lock(&column);
  long sum = 0;
#pragma omp parallel for num_threads(4) reduction(+ : sum)
  for (int i = 0; i < 400; ++i) {
    sum += i;
    omp_set_lock(&column);
    MUST(pthread_mutex_lock(&table));
    ++counted;
    MUST(pthread_mutex_unlock(&table));
    omp_unset_lock(&column);
#pragma omp critical
    {
      MUST(pthread_mutex_lock(&table));
      ++counted;
      MUST(pthread_mutex_unlock(&table));
    }
  }
  omp_destroy_lock(&column);
  return sum == 79800 && counted == 800 ? 0 : 1;
}
