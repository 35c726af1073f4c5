// SPDX-License-Identifier: Apache-2.0
// usage: rival KIND PATH ROLE
//
// A process that wants one lock, alone in its program so that nothing else of it is seen.
// KIND: flock, flock_ro (by a descriptor that is open for reading only), posix, ofd, mutex (process-shared, in the file
// PATH), sem (the named semaphore PATH).
// ROLE: init (make the mutex or semaphore), hold (take it and keep it), wait (take it, waiting), try (try without
// waiting, each 20 ms, for ever, until it is had), timed (try with a timeout of 100 ms, for ever), pulse (take it for a
// moment, each 20 ms), borrow (as try, but let go at once when it is had, and go on).
// With a + behind the ROLE it says "ready" when it has opened the lock, and goes on at the first byte it is given.
// Says "ok" when it is in its role, "got" when a wait or a try was granted; ends with its parent.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum How { kWait, kTry, kTimed };

static const char* kind;
static int fd = -1;
static pthread_mutex_t* mutex;
static sem_t* semaphore;

static bool is(const char* word) { return strcmp(kind, word) == 0; }

static void die(const char* what) {
  perror(what);
  exit(1);
}

static void say(const char* word) {
  puts(word);
  fflush(stdout);
}

static void pass(long milliseconds) { nanosleep(&(struct timespec){0, milliseconds * 1000000}, NULL); }

static void find_lock(const char* path, bool make) {
  if (is("sem")) {
    if (make) umask(0);
    semaphore = make ? sem_open(path, O_CREAT | O_EXCL, 0666, 1) : sem_open(path, O_RDWR);
    if (semaphore == SEM_FAILED) die(path);
    return;
  }
  fd = open(path, is("flock_ro") ? O_RDONLY : O_RDWR);
  if (fd < 0) die(path);
  if (!is("mutex")) return;
  if (make && ftruncate(fd, 4096) != 0) die("ftruncate");
  mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mutex == MAP_FAILED) die("mmap");
  if (!make) return;
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(mutex, &attributes);
}

static bool take(enum How how) {
  struct timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_nsec += 100000000;
  if (end.tv_nsec >= 1000000000) end.tv_sec++, end.tv_nsec -= 1000000000;
  if (is("flock") || is("flock_ro")) return flock(fd, LOCK_EX | (how == kWait ? 0 : LOCK_NB)) == 0;
  if (is("posix") || is("ofd")) {
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const int command = is("posix") ? (how == kWait ? F_SETLKW : F_SETLK) : (how == kWait ? F_OFD_SETLKW : F_OFD_SETLK);
    return fcntl(fd, command, &range) == 0;
  }
  if (is("mutex")) {
    if (how == kWait) return pthread_mutex_lock(mutex) == 0;
    return (how == kTry ? pthread_mutex_trylock(mutex) : pthread_mutex_timedlock(mutex, &end)) == 0;
  }
  if (how == kWait) return sem_wait(semaphore) == 0;
  return (how == kTry ? sem_trywait(semaphore) : sem_timedwait(semaphore, &end)) == 0;
}

static void let_go(void) {
  if (is("flock") || is("flock_ro")) {
    flock(fd, LOCK_UN);
  } else if (is("posix") || is("ofd")) {
    struct flock range = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    fcntl(fd, is("posix") ? F_SETLK : F_OFD_SETLK, &range);
  } else if (is("mutex")) {
    pthread_mutex_unlock(mutex);
  } else {
    sem_post(semaphore);
  }
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  kind = argv[1];
  const char* const role = argv[3];
  find_lock(argv[2], strcmp(role, "init") == 0);
  if (strcmp(role, "init") == 0) {
    say("ok");
    return 0;
  }
  char* const later = strchr(argv[3], '+');
  if (later != NULL) {
    *later = 0;
    say("ready");
    if (getchar() == EOF) return 1;
  }
  if (strcmp(role, "hold") == 0) {
    if (!take(kWait)) die("hold");
    say("ok");
  } else if (strcmp(role, "wait") == 0) {
    say("ok");
    if (!take(kWait)) die("wait");
    say("got");
  } else if (strcmp(role, "try") == 0 || strcmp(role, "timed") == 0) {
    const enum How how = strcmp(role, "try") == 0 ? kTry : kTimed;
    bool had = take(how);
    say("ok");
    while (!had) {
      pass(20);
      had = take(how);
    }
    say("got");
  } else if (strcmp(role, "pulse") == 0 || strcmp(role, "borrow") == 0) {
    const bool pulse = strcmp(role, "pulse") == 0;
    say("ok");
    for (;; pass(20)) {
      if (!take(pulse ? kWait : kTry)) continue;
      pass(1);
      let_go();
    }
  } else {
    return 2;
  }
  for (;;) pause();
}
