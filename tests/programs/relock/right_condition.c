// SPDX-License-Identifier: Apache-2.0
// Right: locks again and again what a condition wait has given back and taken again.
#include "../program.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn;

static void play(int mine) {
  for (int i = 0; i < 30; ++i) {
    MUST(pthread_mutex_lock(&lock));
    while (turn != mine) MUST(pthread_cond_wait(&changed, &lock));
    turn = !mine;
    MUST(pthread_mutex_unlock(&lock));
    MUST(pthread_cond_signal(&changed));
  }
}

static void ping(void) { play(0); }
static void pong(void) { play(1); }

int main(void) { AT_ONCE(ping, pong); }
