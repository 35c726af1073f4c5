// SPDX-License-Identifier: Apache-2.0
// Right: all locks are taken through one function of the program. The locks have no init call, so nothing but the
// objects tells those on the heap apart: rows come before columns everywhere, and the first lock comes before and
// after them.
#include "../program.h"

struct Table {
  pthread_mutex_t rows;
  long unused;
  pthread_mutex_t columns;
};
static struct Table* table;
static pthread_mutex_t between = PTHREAD_MUTEX_INITIALIZER;

NOT_INLINE static void enter(pthread_mutex_t* lock) { MUST(pthread_mutex_lock(lock)); }
NOT_INLINE static void leave(pthread_mutex_t* lock) { MUST(pthread_mutex_unlock(lock)); }

static void rows_first(void) {
  enter(&table->rows);
  enter(&between);
  enter(&table->columns);
  leave(&table->columns);
  leave(&between);
  leave(&table->rows);
}

static void columns_last(void) {
  enter(&between);
  enter(&table->columns);
  leave(&table->columns);
  leave(&between);
  enter(&table->rows);
  enter(&table->columns);
  leave(&table->rows);
  leave(&table->columns);
}

int main(void) {
  static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
  table = (struct Table*)malloc(sizeof *table);
  table->rows = unlocked;
  table->columns = unlocked;
  AT_ONCE(rows_first, columns_last);
  IN_TURN(rows_first, columns_last);
}
