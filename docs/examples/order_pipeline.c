// SPDX-License-Identifier: Apache-2.0
// usage: order_pipeline DIRECTORY
//
// Two processes of a warehouse that wait for each other for ever. The stock is a table in memory that both map, with a
// process-shared mutex in it; the orders are a file, locked with flock(). Receiving locks the stock and then the
// orders, shipping the orders and then the stock. Neither lock knows of the other, so no mutex type, no EDEADLK and no
// kernel message tells: this is what `lockscope snapshot` is for.
//
// Such a program runs well for months, until both are between their two locks at one moment. The barrier makes that
// moment certain. Prints the two process ids and hangs; ends when it is killed, and the child with it.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct stock {
  pthread_mutex_t mutex;
  pthread_barrier_t both_hold_one_lock;
  int parcels;
};

static int open_or_exit(const char* name) {
  int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    perror(name);
    exit(1);
  }
  return fd;
}

static void receive_goods(struct stock* stock) {
  prctl(PR_SET_NAME, "receiving");
  int orders = open_or_exit("orders");
  pthread_mutex_lock(&stock->mutex);
  pthread_barrier_wait(&stock->both_hold_one_lock);
  flock(orders, LOCK_EX);  // shipping has it
  stock->parcels++;
}

static void ship_goods(struct stock* stock) {
  prctl(PR_SET_NAME, "shipping");
  int orders = open_or_exit("orders");  // its own open file: a lock taken through an inherited one would be shared
  flock(orders, LOCK_EX);
  pthread_barrier_wait(&stock->both_hold_one_lock);
  pthread_mutex_lock(&stock->mutex);  // receiving has it
  stock->parcels--;
}

int main(int argc, char** argv) {
  if (argc != 2 || chdir(argv[1]) != 0) {
    fprintf(stderr, "usage: order_pipeline DIRECTORY\n");
    return 2;
  }
  int table = open_or_exit("stock");
  if (ftruncate(table, sizeof(struct stock)) != 0) return perror("stock"), 1;
  struct stock* stock = mmap(NULL, sizeof *stock, PROT_READ | PROT_WRITE, MAP_SHARED, table, 0);
  if (stock == MAP_FAILED) return perror("stock"), 1;

  pthread_mutexattr_t shared_mutex;
  pthread_mutexattr_init(&shared_mutex);
  pthread_mutexattr_setpshared(&shared_mutex, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&stock->mutex, &shared_mutex);
  pthread_barrierattr_t shared_barrier;
  pthread_barrierattr_init(&shared_barrier);
  pthread_barrierattr_setpshared(&shared_barrier, PTHREAD_PROCESS_SHARED);
  pthread_barrier_init(&stock->both_hold_one_lock, &shared_barrier, 2);

  pid_t parent = getpid();
  pid_t child = fork();
  if (child < 0) return perror("fork"), 1;
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) return 1;
    ship_goods(stock);
    return 0;
  }
  printf("%d %d\n", parent, child);
  fflush(stdout);
  receive_goods(stock);
  return 0;
}
