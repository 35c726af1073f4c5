// SPDX-License-Identifier: Apache-2.0
// Right: as an object pool, but the heap hands the memory out again: a session, freed, becomes a channel at the same
// address. Sessions come after the table, channels before it.
#include "../program.h"

struct Session {
  pthread_mutex_t lock;
  long user;
};
struct Channel {
  pthread_mutex_t lock;
  long number;
};
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static void* place;  // what malloc gives for both

static void session(void) {
  struct Session* made = (struct Session*)memset(place, 0, sizeof *made);
  MUST(pthread_mutex_init(&made->lock, NULL));
  MUST(pthread_mutex_lock(&table));
  MUST(pthread_mutex_lock(&made->lock));
  MUST(pthread_mutex_unlock(&made->lock));
  MUST(pthread_mutex_unlock(&table));
  MUST(pthread_mutex_destroy(&made->lock));
}

static void channel(void) {
  struct Channel* made = (struct Channel*)memset(place, 0, sizeof *made);
  MUST(pthread_mutex_init(&made->lock, NULL));
  MUST(pthread_mutex_lock(&made->lock));
  MUST(pthread_mutex_lock(&table));
  MUST(pthread_mutex_unlock(&table));
  MUST(pthread_mutex_unlock(&made->lock));
  MUST(pthread_mutex_destroy(&made->lock));
}

int main(void) {
  place = malloc(sizeof(struct Session) + sizeof(struct Channel));
  IN_TURN(session, channel, session, channel);
}
