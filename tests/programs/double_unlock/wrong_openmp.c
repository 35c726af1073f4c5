// SPDX-License-Identifier: Apache-2.0
// Wrong: the second thread of an OpenMP team unlocks its mutex twice.
#include <omp.h>

#include "../program.h"

static pthread_mutex_t shares[2];

NOT_INLINE static void work(int number) {
  MUST(pthread_mutex_lock(&shares[number]));
  MUST(pthread_mutex_unlock(&shares[number]));
  if (number > 0) MUST(pthread_mutex_unlock(&shares[number]));
}

int main(void) {
  for (int i = 0; i < 2; ++i) MUST(pthread_mutex_init(&shares[i], NULL));
#pragma omp parallel num_threads(2)
  work(omp_get_thread_num());
}
