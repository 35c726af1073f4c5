// SPDX-License-Identifier: Apache-2.0
// The one call for which a process is known as one that may cancel threads: only who loads this library is.
#include <pthread.h>

int cancel_thread(pthread_t thread);
int cancel_thread(pthread_t thread) { return pthread_cancel(thread); }
