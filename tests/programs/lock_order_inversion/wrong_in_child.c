// SPDX-License-Identifier: Apache-2.0
// Wrong: both orders in the two threads of a child process, that has its own copy of the locks.
#include <sys/wait.h>

#include "../program.h"

static pthread_mutex_t inbox = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t outbox = PTHREAD_MUTEX_INITIALIZER;

static void receive(void) {
  MUST(pthread_mutex_lock(&inbox));
  MUST(pthread_mutex_lock(&outbox));
  MUST(pthread_mutex_unlock(&outbox));
  MUST(pthread_mutex_unlock(&inbox));
}

static void send_out(void) {
  MUST(pthread_mutex_lock(&outbox));
  MUST(pthread_mutex_lock(&inbox));
  MUST(pthread_mutex_unlock(&inbox));
  MUST(pthread_mutex_unlock(&outbox));
}

int main(void) {
  pid_t child = fork();
  if (child == 0) {
    IN_TURN(receive, send_out);
    exit(0);
  }
  int status;
  return waitpid(child, &status, 0) == child ? status : 1;
}
