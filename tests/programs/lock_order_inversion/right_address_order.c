// SPDX-License-Identifier: Apache-2.0
// Right: transfers between accounts lock both, always the one at the lower address first. All accounts are of one
// class, and each is outer in one transfer and inner in another.
#include "../program.h"

struct Account {
  pthread_mutex_t lock;
  long balance;
};
static struct Account* accounts[4];

NOT_INLINE static struct Account* account_open(long balance) {
  struct Account* account = (struct Account*)malloc(sizeof *account);
  MUST(pthread_mutex_init(&account->lock, NULL));
  account->balance = balance;
  return account;
}

NOT_INLINE static void transfer(struct Account* from, struct Account* to, long amount) {
  struct Account* lower = from < to ? from : to;
  struct Account* upper = from < to ? to : from;
  MUST(pthread_mutex_lock(&lower->lock));
  MUST(pthread_mutex_lock(&upper->lock));
  from->balance -= amount;
  to->balance += amount;
  MUST(pthread_mutex_unlock(&upper->lock));
  MUST(pthread_mutex_unlock(&lower->lock));
}

static void forward(void) {
  for (int i = 0; i < 300; ++i) transfer(accounts[i % 4], accounts[(i + 1) % 4], 1);
}

static void backward(void) {
  for (int i = 300; i > 0; --i) transfer(accounts[i % 4], accounts[(i + 3) % 4], 1);
}

int main(void) {
  for (int i = 0; i < 4; ++i) accounts[i] = account_open(1000);
  AT_ONCE(forward, backward, forward);
  long sum = 0;
  for (int i = 0; i < 4; ++i) sum += accounts[i]->balance;
  return sum == 4000 ? 0 : 1;
}
