// SPDX-License-Identifier: Apache-2.0
// usage: mutex_actor file PATH BASE | mutex_actor descriptor NUMBER BASE | mutex_actor sysv ID 0
//
// A process that takes process-shared mutexes when told to, one command a line on standard input, "ok" as the answer:
// "init OFFSET", "lock OFFSET", with offsets in the shared object. The object is mapped from BASE on, so that two
// processes with different bases have the same mutex at different places.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>

enum { kLength = 4 * 4096 };

static char* map_object(const char* kind, const char* what, long base) {
  if (strcmp(kind, "sysv") == 0) return shmat(atoi(what), NULL, 0);
  const int fd = strcmp(kind, "file") == 0 ? open(what, O_RDWR) : atoi(what);
  return mmap(NULL, (size_t)(kLength - base), PROT_READ | PROT_WRITE, MAP_SHARED, fd, base);
}

static int init(pthread_mutex_t* mutex) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  return pthread_mutex_init(mutex, &attributes);
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const long base = atol(argv[3]);
  char* const object = map_object(argv[1], argv[2], base);
  if (object == MAP_FAILED) return 1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ok");
  char verb[8];
  long offset = 0;
  while (scanf("%7s %ld", verb, &offset) == 2) {
    pthread_mutex_t* const mutex = (pthread_mutex_t*)(object + offset - base);
    const int error = strcmp(verb, "init") == 0 ? init(mutex) : pthread_mutex_lock(mutex);
    if (error == 0) {
      puts("ok");
    } else {
      printf("no %s\n", strerror(error));
    }
  }
  return 0;
}
