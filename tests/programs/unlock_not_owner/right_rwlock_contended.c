// SPDX-License-Identifier: Apache-2.0
// Right: readers and writers fight for a read-write lock of each preference.
#include <sched.h>

#include "../program.h"

static pthread_rwlock_t readers_first = PTHREAD_RWLOCK_INITIALIZER;
static pthread_rwlock_t writers_first;
static long value;

static void use(pthread_rwlock_t* lock, int writes) {
  struct timespec limit = in_ms(CLOCK_REALTIME, 30000);
  for (int i = 0; i < 100; ++i) {
    if (writes) {
      MUST(i % 2 ? pthread_rwlock_timedwrlock(lock, &limit) : pthread_rwlock_wrlock(lock));
      ++value;
      sched_yield();
      --value;
    } else {
      MUST(i % 2 ? pthread_rwlock_timedrdlock(lock, &limit) : pthread_rwlock_rdlock(lock));
      if (value != 0) exit(1);
      sched_yield();
    }
    MUST(pthread_rwlock_unlock(lock));
  }
}

static void read_one(void) { use(&readers_first, 0); }
static void write_one(void) { use(&readers_first, 1); }
static void read_other(void) { use(&writers_first, 0); }
static void write_other(void) { use(&writers_first, 1); }

int main(void) {
  pthread_rwlockattr_t preference;
  MUST(pthread_rwlockattr_init(&preference));
  MUST(pthread_rwlockattr_setkind_np(&preference, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
  MUST(pthread_rwlock_init(&writers_first, &preference));
  AT_ONCE(read_one, read_one, read_one, write_one, write_one);
  AT_ONCE(read_other, read_other, read_other, write_other, write_other);
}
