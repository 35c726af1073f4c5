// SPDX-License-Identifier: Apache-2.0
// Right: locks of two types live at the same address, one after the other, each made and destroyed as it should be.
// While the memory is a socket, one thread takes table, then it; while it is a timer, another takes it, then table.
#include "../program.h"

union Block {
  struct {
    pthread_mutex_t lock;
  } socket, timer;
};
static union Block block;
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;

static void as_socket(void) {
  MUST(pthread_mutex_init(&block.socket.lock, NULL));
  MUST(pthread_mutex_lock(&table));
  MUST(pthread_mutex_lock(&block.socket.lock));
  MUST(pthread_mutex_unlock(&block.socket.lock));
  MUST(pthread_mutex_unlock(&table));
  MUST(pthread_mutex_destroy(&block.socket.lock));
}

static void as_timer(void) {
  MUST(pthread_mutex_init(&block.timer.lock, NULL));
  MUST(pthread_mutex_lock(&block.timer.lock));
  MUST(pthread_mutex_lock(&table));
  MUST(pthread_mutex_unlock(&table));
  MUST(pthread_mutex_unlock(&block.timer.lock));
  MUST(pthread_mutex_destroy(&block.timer.lock));
}

int main(void) { IN_TURN(as_socket, as_timer); }
