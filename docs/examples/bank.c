// SPDX-License-Identifier: Apache-2.0
// Two threads that take two locks in both orders, and happen not to meet: the example of the README.
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>

static pthread_mutex_t g_accounts = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t g_log = PTHREAD_MUTEX_INITIALIZER;
static sem_t closing_time;

__attribute__((noinline)) static void transfer(void) {
  pthread_mutex_lock(&g_accounts);
  pthread_mutex_lock(&g_log);
  pthread_mutex_unlock(&g_log);
  pthread_mutex_unlock(&g_accounts);
}

__attribute__((noinline)) static void audit(void) {
  pthread_mutex_lock(&g_log);
  pthread_mutex_lock(&g_accounts);
  pthread_mutex_unlock(&g_accounts);
  pthread_mutex_unlock(&g_log);
}

static void* auditor(void* unused) {
  sem_wait(&closing_time);
  audit();
  return unused;
}

int main(void) {
  pthread_t thread;
  sem_init(&closing_time, 0, 0);
  pthread_create(&thread, NULL, auditor, NULL);
  for (int i = 0; i < 17; ++i) transfer();
  sem_post(&closing_time);
  pthread_join(thread, NULL);
}
