// SPDX-License-Identifier: Apache-2.0
// What the programs of this folder share: calls that must succeed, threads that must start, one part after the other.
// Takes no lock itself. Semaphores order what happens; they belong to nobody, so they are no locks to judge.
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NOT_INLINE __attribute__((noinline))

// The call gives this; anything else ends the program with a status that no catalog expects. What follows the call
// also keeps a compiler from making it a jump, which would hide the caller.
#define GIVES(expected, call)                                                               \
  do {                                                                                      \
    int given_ = (call);                                                                    \
    if (given_ != (expected)) {                                                             \
      fprintf(stderr, "%s:%d: %s gives %s\n", __FILE__, __LINE__, #call, strerror(given_)); \
      _exit(99);                                                                            \
    }                                                                                       \
  } while (0)
#define MUST(call) GIVES(0, call)

// What a careless caller does with a result; likewise no jump.
#define IGNORED(call)               \
  do {                              \
    volatile int ignored_ = (call); \
    (void)ignored_;                 \
  } while (0)

// Nothing that these programs do lasts this long; one that hangs on purpose ends with whoever started it.
__attribute__((constructor)) static void end_some_day(void) { alarm(60); }

static inline void pass(sem_t* step) { MUST(sem_post(step)); }

static inline void wait_for(sem_t* step) {
  while (sem_wait(step) != 0 && errno == EINTR) {
  }
}

static inline pthread_t start(void* (*body)(void*), void* argument) {
  pthread_t thread;
  MUST(pthread_create(&thread, NULL, body, argument));
  return thread;
}

static inline void finish(pthread_t thread) { MUST(pthread_join(thread, NULL)); }

static inline void pause_ms(long milliseconds) {
  struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  while (nanosleep(&left, &left) != 0) {
  }
}

static inline struct timespec in_ms(clockid_t clock, long milliseconds) {
  struct timespec when;
  clock_gettime(clock, &when);
  when.tv_nsec += milliseconds % 1000 * 1000000L;
  when.tv_sec += milliseconds / 1000 + when.tv_nsec / 1000000000L;
  when.tv_nsec %= 1000000000L;
  return when;
}

typedef void (*Part)(void);

struct Turn {
  Part part;
  sem_t mine, *next, *end;
};

static inline void* take_turn(void* argument) {
  struct Turn* turn = (struct Turn*)argument;
  wait_for(&turn->mine);
  turn->part();
  pass(turn->next);
  wait_for(turn->end);
  return NULL;
}

enum { kMostParts = 8 };

// Each part in a thread of its own. All threads live from before the first part until after the last.
// ordered: one part after the other; otherwise all at once.
static inline void run_parts(const Part* parts, size_t count, int ordered) {
  static struct Turn turns[kMostParts];
  pthread_t threads[kMostParts];
  sem_t done, end;
  if (count > kMostParts) _exit(98);
  MUST(sem_init(&done, 0, 0));
  MUST(sem_init(&end, 0, 0));
  for (size_t i = 0; i < count; ++i) {
    turns[i].part = parts[i];
    turns[i].next = ordered && i + 1 < count ? &turns[i + 1].mine : &done;
    turns[i].end = &end;
    MUST(sem_init(&turns[i].mine, 0, 0));
  }
  for (size_t i = 0; i < count; ++i) threads[i] = start(take_turn, &turns[i]);
  for (size_t i = 0; i < (ordered ? 1 : count); ++i) pass(&turns[i].mine);
  for (size_t i = 0; i < (ordered ? 1 : count); ++i) wait_for(&done);
  for (size_t i = 0; i < count; ++i) pass(&end);
  for (size_t i = 0; i < count; ++i) finish(threads[i]);
}

#define RUN_PARTS(ordered, ...)                                 \
  do {                                                          \
    const Part parts_[] = {__VA_ARGS__};                        \
    run_parts(parts_, sizeof parts_ / sizeof *parts_, ordered); \
  } while (0)
#define IN_TURN(...) RUN_PARTS(1, __VA_ARGS__)
#define AT_ONCE(...) RUN_PARTS(0, __VA_ARGS__)
