// SPDX-License-Identifier: Apache-2.0
// Wrong: an errorcheck mutex says EPERM, nobody listens.
#include "../program.h"

static pthread_mutex_t cache = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

NOT_INLINE static void forget(void) { IGNORED(pthread_mutex_unlock(&cache)); }

int main(void) { forget(); }
