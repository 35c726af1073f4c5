// SPDX-License-Identifier: Apache-2.0
// Right: a bounded buffer. Semaphores count its slots: the producer takes a free slot, then the lock, the consumer a
// full one; each gives what the other takes. A semaphore belongs to nobody, so there is no order to invert.
#include "../program.h"

enum { kSlots = 4, kItems = 100 };
static int slots[kSlots];
static int first, last;
static long sum;
static sem_t empty, full;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void produce(void) {
  for (int i = 0; i < kItems; ++i) {
    wait_for(&empty);
    MUST(pthread_mutex_lock(&lock));
    slots[last++ % kSlots] = i;
    pass(&full);
    MUST(pthread_mutex_unlock(&lock));
  }
}

static void consume(void) {
  for (int i = 0; i < kItems; ++i) {
    wait_for(&full);
    MUST(pthread_mutex_lock(&lock));
    sum += slots[first++ % kSlots];
    pass(&empty);
    MUST(pthread_mutex_unlock(&lock));
  }
}

int main(void) {
  MUST(sem_init(&empty, 0, kSlots));
  MUST(sem_init(&full, 0, 0));
  AT_ONCE(produce, consume);
  return sum == kItems * (kItems - 1) / 2 ? 0 : 1;
}
