// SPDX-License-Identifier: Apache-2.0
// Futexes of a program's own, in memory that looks like a primitive of libc: to be taken for nothing.
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "play.h"

/* How the call is made: by syscall(2) of libc, or by an instruction of the program's own. */
enum { BY_LIBC = 0, BY_PROGRAM = 1, BITSET = 2, SHARED_OP = 4, LOOKALIKE = 8 };

static void wait_foreign(struct trial* trial, void* object) {
  (void)trial;
  uint32_t* word = object;
  int op = playing->variant & BITSET ? FUTEX_WAIT_BITSET : FUTEX_WAIT;
  if (!(playing->variant & SHARED_OP)) op |= FUTEX_PRIVATE_FLAG;
  for (;;) { /* a value that the call does not like ends it at once: none of ours changes */
    uint32_t value = *(volatile uint32_t*)word;
    if (playing->variant & BY_PROGRAM) {
      register uint32_t* a1 __asm__("rdi") = word;
      register long a2 __asm__("rsi") = op;
      register long a3 __asm__("rdx") = value;
      register long a4 __asm__("r10") = 0;
      register long a5 __asm__("r8") = 0;
      register long a6 __asm__("r9") = 0xffffffff;
      long result = SYS_futex;
      __asm__ volatile("syscall"
                       : "+a"(result)
                       : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a6)
                       : "rcx", "r11", "memory");
    } else {
      syscall(SYS_futex, word, op, value, NULL, NULL, 0xffffffff);
    }
  }
}

static void hold_lookalike(void* object) { must(pthread_mutex_lock(object) == 0, "pthread_mutex_lock"); }

static void play_foreign(struct trial* trial, int index) {
  /* 96 bytes with the word in the middle: all that a reader may look at is as the page was filled. */
  unsigned char* object = place_object(index, 96);
  uint32_t* word = (uint32_t*)(void*)(object + 48);
  if (playing->variant & LOOKALIKE) {
    /* To the last byte a mutex that is held, down to the waiters' mark, and awaited by hand. */
    pthread_mutex_t* m = (void*)word;
    must(pthread_mutex_init(m, NULL) == 0, "pthread_mutex_init");
    have_holder(index, hold_lookalike, m);
    *word = 2;
  } else {
    uint32_t tid = have_holder(index, (void (*)(void*))(uintptr_t)own_tid, NULL);
    const uint32_t values[] = {0, 1, 2, 3, 2, 0x80000000 | tid, tid, 0xffffffff, 2, 0};
    *word = values[(unsigned)index % (sizeof values / sizeof *values)];
  }
  set_truth(trial, "futex", NULL, 0);
  start_waiter(trial, wait_foreign, word);
}

const struct primitive foreign_primitives[] = {
    {"foreign:libc", play_foreign, 0, BY_LIBC},
    {"foreign:libc:bitset", play_foreign, 0, BY_LIBC | BITSET},
    {"foreign:libc:shared", play_foreign, 0, BY_LIBC | SHARED_OP},
    {"foreign:program", play_foreign, 0, BY_PROGRAM},
    {"foreign:program:bitset", play_foreign, 0, BY_PROGRAM | BITSET},
    {"foreign:program:shared", play_foreign, 0, BY_PROGRAM | SHARED_OP},
#if defined(__GLIBC__) && !defined(TRIALS_STATIC)
    {"foreign:libc:lookalike", play_foreign, 0, BY_LIBC | LOOKALIKE},
    {"foreign:program:lookalike", play_foreign, 0, BY_PROGRAM | LOOKALIKE},
#endif
    {0},
};
