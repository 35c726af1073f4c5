// SPDX-License-Identifier: Apache-2.0
// Right: a queue is closed: its waiters are woken, leave, and are joined before lock and condition are destroyed.
#include "../program.h"

struct Queue {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int closed;
};

static void* waiter(void* argument) {
  struct Queue* queue = (struct Queue*)argument;
  MUST(pthread_mutex_lock(&queue->lock));
  while (!queue->closed) MUST(pthread_cond_wait(&queue->changed, &queue->lock));
  MUST(pthread_mutex_unlock(&queue->lock));
  return NULL;
}

int main(void) {
  for (int i = 0; i < 5; ++i) {
    struct Queue* queue = (struct Queue*)calloc(1, sizeof *queue);
    MUST(pthread_mutex_init(&queue->lock, NULL));
    MUST(pthread_cond_init(&queue->changed, NULL));
    pthread_t one = start(waiter, queue), other = start(waiter, queue);
    MUST(pthread_mutex_lock(&queue->lock));
    queue->closed = 1;
    MUST(pthread_cond_broadcast(&queue->changed));
    MUST(pthread_mutex_unlock(&queue->lock));
    finish(one);
    finish(other);
    MUST(pthread_cond_destroy(&queue->changed));
    MUST(pthread_mutex_destroy(&queue->lock));
    free(queue);
  }
}
