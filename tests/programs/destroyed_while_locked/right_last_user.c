// SPDX-License-Identifier: Apache-2.0
// Right: whoever gives back the last reference destroys the lock at once after it unlocked it, as POSIX allows. The
// unlock of the one before may not even have returned.
#include "../program.h"

struct Shared {
  pthread_mutex_t lock;
  int references;
};
static struct Shared* shared;

NOT_INLINE static void give_back(struct Shared* object) {
  MUST(pthread_mutex_lock(&object->lock));
  int left = --object->references;
  MUST(pthread_mutex_unlock(&object->lock));
  if (left == 0) {
    MUST(pthread_mutex_destroy(&object->lock));
    free(object);
  }
}

static void user(void) { give_back(shared); }

int main(void) {
  for (int i = 0; i < 20; ++i) {
    shared = (struct Shared*)malloc(sizeof *shared);
    MUST(pthread_mutex_init(&shared->lock, NULL));
    shared->references = 3;
    AT_ONCE(user, user, user);
  }
}
