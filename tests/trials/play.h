/* SPDX-License-Identifier: Apache-2.0 */
/* What the primitives of the trials are made of: hostile memory, holders that act on command, waiters. */
#ifndef LOCKSCOPE_PLAY_H
#define LOCKSCOPE_PLAY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "trial.h"

#ifdef __cplusplus
extern "C" {
#endif

struct primitive {
  const char* name;
  /* Makes one object, has it held, and starts its waiter. */
  void (*play)(struct trial* trial, int index);
  int across; /* holders live in another process */
  int variant;
};

extern struct trial_table* table;
extern const struct primitive* playing;
extern const char* slow_library;

enum { HOLDERS = 8 };

/* Memory for object `index`, `size` bytes, in a page filled with what misleads. Shared if the primitive goes across. */
void* place_object(int index, size_t size);
/* A second object of the trial: zeroed. */
void* place_companion(int index, size_t size);

/* Runs act(object) on holder thread `index` modulo HOLDERS and returns its TID. The holder then sleeps, in no futex. */
uint32_t have_holder(int index, void (*act)(void*), void* object);
/* Starts a thread that calls act(object) and may never come back; returns once the thread has called acted(). */
uint32_t have_stuck_thread(void (*act)(void*), void* object);
void acted(void);
/* Starts the waiter: it writes its TID, calls wait(trial, object) and is not expected back. */
void start_waiter(struct trial* trial, void (*wait)(struct trial*, void*), void* object);

void set_truth(struct trial* trial, const char* kind, const void* base, uint32_t owner);
/* This primitive is not to be had here. Ends the run. */
void skip(const char* why) __attribute__((noreturn));
uint32_t own_tid(void);
void sleep_for_good(void) __attribute__((noreturn));
struct timespec in_an_hour(clockid_t clock);
/* Ends the program: the trial itself is wrong. */
void must(int ok, const char* what);

/* The tables, each in the file of its primitives, ended by a row without name. */
extern const struct primitive rwlock_primitives[];
extern const struct primitive waiting_primitives[];
extern const struct primitive libc_primitives[];
extern const struct primitive foreign_primitives[];
extern const struct primitive cxx_primitives[];
/* Mutexes come in too many combinations for a table. */
const struct primitive* mutex_primitives(void);

void race(int threads) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
#endif
