// SPDX-License-Identifier: Apache-2.0
// Right: with a lock held, a process starts others by vfork, posix_spawn and system. They borrow its memory for a
// moment, but not its locks.
#include <spawn.h>
#include <sys/wait.h>

#include "../program.h"

static pthread_mutex_t jobs = PTHREAD_MUTEX_INITIALIZER;

static int ended(pid_t child) {
  int status;
  return waitpid(child, &status, 0) == child && status == 0;
}

static void* worker(void* unused) {
  char* words[] = {(char*)"true", NULL};
  char* environment[] = {NULL};
  MUST(pthread_mutex_lock(&jobs));
  pid_t child = vfork();
  if (child == 0) {
    execve("/bin/true", words, environment);
    _exit(1);
  }
  if (!ended(child)) exit(1);
  MUST(pthread_mutex_unlock(&jobs));
  MUST(pthread_mutex_lock(&jobs));
  MUST(posix_spawn(&child, "/bin/true", NULL, NULL, words, environment));
  if (!ended(child) || system("/bin/true") != 0) exit(1);
  MUST(pthread_mutex_unlock(&jobs));
  return unused;
}

int main(void) {
  pthread_t one = start(worker, NULL), other = start(worker, NULL);
  finish(one);
  finish(other);
}
