// SPDX-License-Identifier: Apache-2.0
// One operation on locks, timed: what bench/lock_pair.py runs under this tool and that.
// usage: lock_pair OPERATION BATCHES MILLISECONDS
// Says "ready", waits for a line, runs the batches, says how many nanoseconds one operation took in each, and stays
// until its input ends, so that whoever watches it can be asked meanwhile.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, outer = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t semaphore;
static atomic_int stop;
static atomic_long by_other;
static int turn, to_other[2], from_other[2];
static volatile long shared;

static double now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void mutex_pair(void) {
  pthread_mutex_lock(&mutex);
  pthread_mutex_unlock(&mutex);
}
static void try_pair(void) {
  if (pthread_mutex_trylock(&mutex) == 0) pthread_mutex_unlock(&mutex);
}
static void read_pair(void) {
  pthread_rwlock_rdlock(&rwlock);
  pthread_rwlock_unlock(&rwlock);
}
static void write_pair(void) {
  pthread_rwlock_wrlock(&rwlock);
  pthread_rwlock_unlock(&rwlock);
}
static void spin_pair(void) {
  pthread_spin_lock(&spin);
  pthread_spin_unlock(&spin);
}
static void semaphore_pair(void) {
  sem_post(&semaphore);
  sem_wait(&semaphore);
}
static void life_pair(void) {
  pthread_mutex_t made;
  pthread_mutex_init(&made, NULL);
  pthread_mutex_destroy(&made);
}

// A mutex that two threads want all the time, with a little done inside and between.
static void contended_pair(void) {
  pthread_mutex_lock(&mutex);
  for (int i = 0; i < 20; ++i) ++shared;
  pthread_mutex_unlock(&mutex);
  for (volatile int i = 0; i < 20; ++i) {}
}
static void* contender(void* none) {
  while (!stop) {
    contended_pair();
    by_other++;
  }
  return none;
}

// Two threads in turns, by a condition: a round is two waits.
static void pass_to(int next, int mine) {
  pthread_mutex_lock(&mutex);
  turn = next;
  pthread_cond_signal(&changed);
  while (turn != mine && !stop) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
}
static void condition_round(void) { pass_to(1, 0); }
static void* condition_partner(void* none) {
  pthread_mutex_lock(&mutex);
  while (turn != 1 && !stop) pthread_cond_wait(&changed, &mutex);
  pthread_mutex_unlock(&mutex);
  while (!stop) pass_to(0, 1);
  return none;
}

// The same by two pipes, on one CPU: no lock, two switches.
static void one_cpu(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  sched_setaffinity(0, sizeof set, &set);
}
static void pipe_round(void) {
  char byte = 'x';
  if (write(to_other[1], &byte, 1) != 1 || read(from_other[0], &byte, 1) != 1) abort();
}
static void* pipe_partner(void* none) {
  char byte;
  while (read(to_other[0], &byte, 1) == 1) {
    if (write(from_other[1], &byte, 1) != 1) break;
  }
  return none;
}

// Beginnings and ends of threads and processes; each thread and child takes one lock.
static void* one_lock(void* none) {
  mutex_pair();
  return none;
}
static void thread_life(void) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, one_lock, NULL) != 0) abort();
  pthread_join(thread, NULL);
}
static void process_life(void) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  if (child < 0 || waitpid(child, NULL, 0) != child) abort();
}
static void command_life(void) {
  const pid_t child = fork();
  if (child == 0) {
    execl("/bin/true", "true", (char*)NULL);
    _exit(1);
  }
  if (child < 0 || waitpid(child, NULL, 0) != child) abort();
}

static void* idle(void* none) {
  pause();
  return none;
}

struct operation {
  const char* name;
  void (*once)(void);
  int at_once;                // between two looks at the clock
  void* (*partner)(void*);
};
static const struct operation kOperations[] = {
    {"mutex", mutex_pair, 50, NULL},       {"nested", mutex_pair, 50, NULL},
    {"trylock", try_pair, 50, NULL},       {"rdlock", read_pair, 50, NULL},
    {"wrlock", write_pair, 50, NULL},      {"spin", spin_pair, 50, NULL},
    {"semaphore", semaphore_pair, 50, NULL}, {"init", life_pair, 50, NULL},
    {"contended", contended_pair, 50, contender}, {"condition", condition_round, 10, condition_partner},
    {"switch", pipe_round, 10, pipe_partner},     {"thread", thread_life, 1, NULL},
    {"fork", process_life, 1, NULL},       {"exec", command_life, 1, NULL},
};

static double batch(const struct operation* operation, double ns) {
  const double begin = now_ns();
  const long others = by_other;
  double end = begin;
  long done = 0;
  for (; end < begin + ns; end = now_ns(), done += operation->at_once) {
    for (int i = 0; i < operation->at_once; ++i) operation->once();
  }
  return (end - begin) / (double)(done + by_other - others);
}

int main(int argc, char** argv) {
  const struct operation* operation = NULL;
  pthread_t thread;
  if (argc != 4) return 2;
  for (size_t i = 0; i < sizeof kOperations / sizeof *kOperations; ++i) {
    if (strcmp(kOperations[i].name, argv[1]) == 0) operation = &kOperations[i];
  }
  const int batches = atoi(argv[2]);
  const double ns = atof(argv[3]) * 1e6;
  if (!operation || batches < 1 || ns <= 0) return 2;
  pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
  sem_init(&semaphore, 0, 0);
  if (pipe(to_other) != 0 || pipe(from_other) != 0) return 3;

  // With one thread alone glibc takes locks without atomic operations.
  pthread_create(&thread, NULL, idle, NULL);
  puts("ready");
  fflush(stdout);
  if (getchar() == EOF) return 3;
  if (operation->once == pipe_round) one_cpu();
  if (operation->partner) pthread_create(&thread, NULL, operation->partner, NULL);
  if (strcmp(operation->name, "nested") == 0) pthread_mutex_lock(&outer);
  batch(operation, ns / 2);
  for (int i = 0; i < batches; ++i) printf("%.2f ", batch(operation, ns));
  puts("");
  fflush(stdout);
  if (strcmp(operation->name, "nested") == 0) pthread_mutex_unlock(&outer);
  stop = 1;
  while (getchar() != EOF) {}
  _exit(0);
}
