/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trials: a program that blocks threads on a primitive whose holder is known by construction, and says so in a
 * table of shared memory that the test reads. One run is one primitive, many objects of it, one waiter each.
 *
 *   trials list                                 names of the primitives of this build, one a line
 *   trials play NAME COUNT FD [LIBRARY]         FD is the table; LIBRARY has a constructor that does not end
 *   trials race THREADS FD                      threads that take random locks until they are killed
 *
 * Objects lie in memory that is hostile to a reader: filled with zeros, noise, small numbers or live TIDs, and flush
 * against an unmapped page on either side. Every process of a run dies with the one that started it.
 */
#ifndef LOCKSCOPE_TRIAL_H
#define LOCKSCOPE_TRIAL_H

#include <stdint.h>

enum { TRIAL_MAX = 400, TRIAL_KIND_LEN = 24, TRIAL_LOCKS = 16 };

struct trial {
  volatile uint32_t waiter_tid; /* in its own PID namespace; written just before it waits */
  uint32_t owner_tid;           /* 0: nobody owns this kind */
  uint32_t readers;             /* readers inside; 0: none */
  uint32_t shared_mode;         /* waits to read */
  uint32_t process_shared;
  uint32_t pad;
  uint64_t base;        /* address of the primitive for the waiter; 0: not known to the program */
  uint64_t needs_mutex; /* condition wait: address of its mutex */
  char kind[TRIAL_KIND_LEN];
};

/* A lock of the race. While `holder` is not 0 and `changes` stands still, that thread holds the lock. */
struct raced_lock {
  volatile uint32_t holder;
  volatile uint32_t changes;
  uint64_t base;
};

struct trial_table {
  volatile uint32_t ready; /* trials that are set up; all of them once it equals count */
  uint32_t count;
  uint32_t waiter_pid; /* in its own PID namespace */
  uint32_t skipped;    /* this host or library does not have the primitive */
  struct trial trials[TRIAL_MAX];
  struct raced_lock locks[TRIAL_LOCKS];
};

#endif
