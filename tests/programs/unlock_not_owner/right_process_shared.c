// SPDX-License-Identifier: Apache-2.0
// Right: a mutex and a condition in memory that two processes share, each unlocks what it has locked.
#include <sys/mman.h>
#include <sys/wait.h>

#include "../program.h"

struct Shared {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int count;
};

static void count(struct Shared* shared, int odd) {
  for (int i = 0; i < 20; ++i) {
    MUST(pthread_mutex_lock(&shared->lock));
    while (shared->count % 2 != odd) MUST(pthread_cond_wait(&shared->changed, &shared->lock));
    ++shared->count;
    MUST(pthread_cond_signal(&shared->changed));
    MUST(pthread_mutex_unlock(&shared->lock));
  }
}

int main(void) {
  struct Shared* shared =
      (struct Shared*)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t of_mutex;
  pthread_condattr_t of_condition;
  MUST(pthread_mutexattr_init(&of_mutex));
  MUST(pthread_mutexattr_setpshared(&of_mutex, PTHREAD_PROCESS_SHARED));
  MUST(pthread_mutex_init(&shared->lock, &of_mutex));
  MUST(pthread_condattr_init(&of_condition));
  MUST(pthread_condattr_setpshared(&of_condition, PTHREAD_PROCESS_SHARED));
  MUST(pthread_cond_init(&shared->changed, &of_condition));
  pid_t child = fork();
  if (child == 0) {
    count(shared, 1);
    _exit(0);
  }
  count(shared, 0);
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) return 1;
  return shared->count == 40 ? 0 : 1;
}
