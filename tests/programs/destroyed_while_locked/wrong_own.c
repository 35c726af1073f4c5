// SPDX-License-Identifier: Apache-2.0
// Wrong: destroys an object whose lock it still holds. The destroy is refused, which nobody looks at.
#include "../program.h"

struct Session {
  pthread_mutex_t lock;
  int users;
};

NOT_INLINE static struct Session* session_create(void) {
  struct Session* session = (struct Session*)calloc(1, sizeof *session);
  MUST(pthread_mutex_init(&session->lock, NULL));
  return session;
}

NOT_INLINE static void session_close(struct Session* session) {
  MUST(pthread_mutex_lock(&session->lock));
  if (session->users == 0) {
    pthread_mutex_destroy(&session->lock);
    free(session);
    return;
  }
  MUST(pthread_mutex_unlock(&session->lock));
}

int main(void) {
  session_close(session_create());
  return 0;
}
