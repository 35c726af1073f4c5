// SPDX-License-Identifier: Apache-2.0
// Wrong, seen by class only: of two objects of one type, one thread takes rows then columns of the first, another
// thread columns then rows of the second. No two lock objects are ever taken in both orders, but the code has both
// orders.
#include "../program.h"

struct Table {
  pthread_mutex_t rows, columns;
};
static struct Table *one, *other;

NOT_INLINE static struct Table* table_create(void) {
  struct Table* table = (struct Table*)malloc(sizeof *table);
  MUST(pthread_mutex_init(&table->rows, NULL));
  MUST(pthread_mutex_init(&table->columns, NULL));
  return table;
}

static void sort_rows(void) {
  MUST(pthread_mutex_lock(&one->rows));
  MUST(pthread_mutex_lock(&one->columns));
  MUST(pthread_mutex_unlock(&one->columns));
  MUST(pthread_mutex_unlock(&one->rows));
}

static void sort_columns(void) {
  MUST(pthread_mutex_lock(&other->columns));
  MUST(pthread_mutex_lock(&other->rows));
  MUST(pthread_mutex_unlock(&other->rows));
  MUST(pthread_mutex_unlock(&other->columns));
}

int main(void) {
  one = table_create();
  other = table_create();
  IN_TURN(sort_rows, sort_columns);
}
