// SPDX-License-Identifier: Apache-2.0
// usage: flood flocks PATH COUNT | flood waits PATH COUNT
//
// flocks: COUNT pairs of flock and unlock, as fast as it can, spread over 64 descriptors of the file PATH and of files
// beside it. waits: COUNT waits that truly block: two threads hand a pair of futex words to each other. Says "ok" when
// ready, begins at the first byte on standard input, says "done" with what it did, and ends. PATH is ignored by waits.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { kFiles = 64 };

static _Atomic unsigned turn;
static long count;

static void pass_turns(unsigned own) {
  for (long i = 0; i < count / 2; ++i) {
    unsigned now;
    while ((now = atomic_load(&turn)) != own) syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, now, NULL);
    atomic_store(&turn, !own);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1);
  }
}

static void* second(void* unused) {
  (void)unused;
  pass_turns(1);
  return NULL;
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  count = atol(argv[3]);
  int files[kFiles];
  const int flocks = strcmp(argv[1], "flocks") == 0;
  for (int i = 0; flocks && i < kFiles; ++i) {
    char path[4096];
    snprintf(path, sizeof path, i == 0 ? "%s" : "%s.%d", argv[2], i);
    files[i] = open(path, O_RDWR | O_CREAT, 0666);
    if (files[i] < 0) return perror(path), 1;
  }
  puts("ok");
  fflush(stdout);
  if (getchar() == EOF) return 1;
  if (flocks) {
    for (long i = 0; i < count; ++i) {
      if (flock(files[i % kFiles], LOCK_EX | LOCK_NB) != 0) return perror("flock"), 1;
      flock(files[i % kFiles], LOCK_UN);
    }
  } else {
    pthread_t thread;
    pthread_create(&thread, NULL, second, NULL);
    pass_turns(0);
    pthread_join(thread, NULL);
  }
  printf("done %ld\n", count);
  fflush(stdout);
  getchar();  // until it is told to end: what it did is not mixed with its exit
  return 0;
}
