// SPDX-License-Identifier: Apache-2.0
// Right: a process is killed in a critical section of a robust mutex that it shares with another, which repairs it.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../program.h"

int main(void) {
  pthread_mutex_t* state =
      (pthread_mutex_t*)mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t kind;
  MUST(pthread_mutexattr_init(&kind));
  MUST(pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST));
  MUST(pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED));
  MUST(pthread_mutex_init(state, &kind));
  pid_t child = fork();
  if (child == 0) {
    MUST(pthread_mutex_lock(state));
    kill(getpid(), SIGKILL);
  }
  int status;
  if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status)) return 1;
  GIVES(EOWNERDEAD, pthread_mutex_lock(state));
  MUST(pthread_mutex_consistent(state));
  MUST(pthread_mutex_unlock(state));
}
