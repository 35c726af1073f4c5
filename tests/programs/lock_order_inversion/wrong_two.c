// SPDX-License-Identifier: Apache-2.0
// Wrong: one thread takes accounts, then audit; another, alive at the same time, takes audit, then accounts. They
// happen to run one after the other, so nothing hangs today.
#include "../program.h"

static pthread_mutex_t accounts = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t audit = PTHREAD_MUTEX_INITIALIZER;

static void transfer(void) {
  MUST(pthread_mutex_lock(&accounts));
  MUST(pthread_mutex_lock(&audit));
  MUST(pthread_mutex_unlock(&audit));
  MUST(pthread_mutex_unlock(&accounts));
}

static void review(void) {
  MUST(pthread_mutex_lock(&audit));
  MUST(pthread_mutex_lock(&accounts));
  MUST(pthread_mutex_unlock(&accounts));
  MUST(pthread_mutex_unlock(&audit));
}

int main(void) { IN_TURN(transfer, review); }
