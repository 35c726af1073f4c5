// SPDX-License-Identifier: Apache-2.0
// Right: a list whose nodes are locked hand over hand: the next before the last is let go of. The nodes come from one
// place and lie in memory in no order.
#include "../program.h"

struct Node {
  pthread_mutex_t lock;
  int value;
  struct Node* next;
};
static struct Node head = {PTHREAD_MUTEX_INITIALIZER, -1, NULL};

static void insert(int value) {
  struct Node* made = (struct Node*)malloc(sizeof *made);
  MUST(pthread_mutex_init(&made->lock, NULL));
  made->value = value;
  struct Node* at = &head;
  MUST(pthread_mutex_lock(&at->lock));
  while (at->next) {
    struct Node* next = at->next;
    MUST(pthread_mutex_lock(&next->lock));
    if (next->value >= value) {
      MUST(pthread_mutex_unlock(&next->lock));
      break;
    }
    MUST(pthread_mutex_unlock(&at->lock));
    at = next;
  }
  made->next = at->next;
  at->next = made;
  MUST(pthread_mutex_unlock(&at->lock));
}

static void remove_first(void) {
  MUST(pthread_mutex_lock(&head.lock));
  struct Node* first = head.next;
  if (first) {
    MUST(pthread_mutex_lock(&first->lock));
    head.next = first->next;
    MUST(pthread_mutex_unlock(&first->lock));
  }
  MUST(pthread_mutex_unlock(&head.lock));
  if (first) {
    MUST(pthread_mutex_destroy(&first->lock));
    free(first);
  }
}

static void odd(void) {
  for (int i = 0; i < 40; ++i) insert(i * 7 % 41 * 2 + 1);
}

static void even(void) {
  for (int i = 0; i < 40; ++i) insert(i * 5 % 43 * 2);
}

static void drain(void) {
  for (int i = 0; i < 60; ++i) remove_first();
}

int main(void) {
  AT_ONCE(odd, even, drain);
  IN_TURN(even, drain, odd);
}
