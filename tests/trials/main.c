// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "play.h"

enum { PAGE = 4096, STACK = 128 * 1024 };

struct trial_table* table;
const struct primitive* playing;
const char* slow_library;

static unsigned char *arena, *companions;
static uint32_t* holder_tids; /* shared with the process of the holders */

struct command {
  void (*act)(void*);
  void* object;
};
static int command_pipes[HOLDERS][2], answer_pipe[2];

void must(int ok, const char* what) {
  if (ok) return;
  fprintf(stderr, "trials: %s: %s\n", what, strerror(errno));
  _exit(2);
}

void skip(const char* why) {
  fprintf(stderr, "trials: skipped: %s\n", why);
  table->skipped = 1;
  __atomic_store_n(&table->ready, table->count, __ATOMIC_RELEASE);
  _exit(0);
}

uint32_t own_tid(void) { return (uint32_t)syscall(SYS_gettid); }

void sleep_for_good(void) {
  for (;;) pause();
}

struct timespec in_an_hour(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  t.tv_sec += 3600;
  return t;
}

static uint32_t noise(void) {
  static uint32_t state = 0x9e3779b9;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

static void fill(uint32_t* words, int way) {
  for (int i = 0; i < PAGE / 4; i++) {
    switch (way) {
      case 0: words[i] = 0; break;
      case 1: words[i] = noise(); break;
      case 2: words[i] = noise() % 8; break;
      case 3: words[i] = holder_tids[noise() % HOLDERS]; break;
      default: words[i] = noise() % 3 == 0 ? 0 : noise() % 2 ? 1 : 128; break;
    }
  }
}

static unsigned char* map_pages(size_t pages) {
  int sharing = playing && playing->across ? MAP_SHARED : MAP_PRIVATE;
  void* p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
  must(p != MAP_FAILED, "mmap");
  return p;
}

void* place_object(int index, size_t size) {
  /* Every other page is no memory at all. */
  unsigned char* page = arena + (size_t)(2 * index + 1) * PAGE;
  fill((uint32_t*)(void*)page, index % 5);
  switch (index % 3) {
    case 0: return page;
    case 1: return page + PAGE - ((size + 7) & ~(size_t)7);
    default: return page + 1024 + 8 * (size_t)(index % 11);
  }
}

void* place_companion(int index, size_t size) {
  must(size <= 256, "companion");
  return companions + (size_t)index * 256;
}

static void read_all(int fd, void* to, size_t size) { must(read(fd, to, size) == (ssize_t)size, "read"); }

void acted(void) {
  uint32_t tid = own_tid();
  must(write(answer_pipe[1], &tid, sizeof tid) == sizeof tid, "write");
}

static void* holder(void* number) {
  int n = (int)(intptr_t)number;
  holder_tids[n] = own_tid();
  acted();
  for (;;) {
    struct command c;
    read_all(command_pipes[n][0], &c, sizeof c);
    c.act(c.object);
    acted();
  }
  return NULL;
}

static uint32_t await_answer(void) {
  uint32_t tid;
  read_all(answer_pipe[0], &tid, sizeof tid);
  return tid;
}

static pthread_t start_thread(void* (*body)(void*), void* argument) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK);
  must(pthread_create(&thread, &attributes, body, argument) == 0, "pthread_create");
  pthread_attr_destroy(&attributes);
  return thread;
}

uint32_t have_holder(int index, void (*act)(void*), void* object) {
  struct command c = {act, object};
  must(write(command_pipes[index % HOLDERS][1], &c, sizeof c) == sizeof c, "write");
  return await_answer();
}

static void* stuck_thread(void* argument) {
  struct command c = *(struct command*)argument;
  free(argument);
  c.act(c.object);
  sleep_for_good();
}

uint32_t have_stuck_thread(void (*act)(void*), void* object) {
  struct command* c = malloc(sizeof *c);
  *c = (struct command){act, object};
  start_thread(stuck_thread, c);
  return await_answer();
}

struct waiter {
  struct trial* trial;
  void (*wait)(struct trial*, void*);
  void* object;
};

static void* waiter(void* argument) {
  struct waiter w = *(struct waiter*)argument;
  free(argument);
  __atomic_store_n(&w.trial->waiter_tid, own_tid(), __ATOMIC_RELEASE);
  w.wait(w.trial, w.object);
  fprintf(stderr, "trials: %s: a waiter came back\n", playing->name);
  _exit(2);
}

void start_waiter(struct trial* trial, void (*wait)(struct trial*, void*), void* object) {
  struct waiter* w = malloc(sizeof *w);
  *w = (struct waiter){trial, wait, object};
  start_thread(waiter, w);
}

void set_truth(struct trial* trial, const char* kind, const void* base, uint32_t owner) {
  strncpy(trial->kind, kind, sizeof trial->kind - 1);
  trial->base = (uint64_t)(uintptr_t)base;
  trial->owner_tid = owner;
  trial->process_shared = (uint32_t)playing->across;
}

static void start_holders(void) {
  must(pipe(answer_pipe) == 0, "pipe");
  for (int i = 0; i < HOLDERS; i++) must(pipe(command_pipes[i]) == 0, "pipe");
  if (playing->across) {
    pid_t child = fork();
    must(child >= 0, "fork");
    if (child != 0) goto started;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* TIDs that differ from those of the waiters' process in more than one step. */
  }
  for (int i = 0; i < HOLDERS; i++) start_thread(holder, (void*)(intptr_t)i);
  if (playing->across) sleep_for_good();
started:
  for (int i = 0; i < HOLDERS; i++) await_answer();
}

static void play(int count) {
  table->count = (uint32_t)count;
  table->waiter_pid = (uint32_t)getpid();
  arena = map_pages(2 * (size_t)count + 1);
  for (int i = 0; i <= count; i++) must(mprotect(arena + (size_t)(2 * i) * PAGE, PAGE, PROT_NONE) == 0, "mprotect");
  companions = map_pages((size_t)count / 16 + 1);
  holder_tids = (uint32_t*)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  must(holder_tids != MAP_FAILED, "mmap");
  start_holders();
  for (int i = 0; i < count; i++) {
    playing->play(&table->trials[i], i);
    __atomic_store_n(&table->ready, (uint32_t)i + 1, __ATOMIC_RELEASE);
  }
  sleep_for_good();
}

static const struct primitive* const* catalog(void) {
  static const struct primitive* tables[8];
  int n = 0;
  tables[n++] = mutex_primitives();
  tables[n++] = rwlock_primitives;
  tables[n++] = waiting_primitives;
  tables[n++] = libc_primitives;
  tables[n++] = foreign_primitives;
#ifdef TRIALS_CXX
  tables[n++] = cxx_primitives;
#endif
  return tables;
}

int main(int argc, char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (argc == 2 && strcmp(argv[1], "list") == 0) {
    for (const struct primitive* const* t = catalog(); *t; t++)
      for (const struct primitive* p = *t; p->name; p++) puts(p->name);
    return 0;
  }
  if (argc == 4 && strcmp(argv[1], "race") == 0) {
    table = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[3]), 0);
    must(table != MAP_FAILED, "table");
    race(atoi(argv[2]));
  }
  if (argc < 5 || strcmp(argv[1], "play") != 0) {
    fprintf(stderr, "usage: trials list | play NAME COUNT FD [LIBRARY] | race THREADS FD\n");
    return 2;
  }
  for (const struct primitive* const* t = catalog(); *t && !playing; t++)
    for (const struct primitive* p = *t; p->name; p++)
      if (strcmp(p->name, argv[2]) == 0) playing = p;
  int count = atoi(argv[3]);
  if (!playing || count < 1 || count > TRIAL_MAX) {
    fprintf(stderr, "trials: no primitive %s, or too many\n", argv[2]);
    return 2;
  }
  table = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[4]), 0);
  must(table != MAP_FAILED, "table");
  slow_library = argc > 5 ? argv[5] : NULL;
  play(count);
}
