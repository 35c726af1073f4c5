// SPDX-License-Identifier: Apache-2.0
// Wrong: a lock guard, and an unlock by hand under it.
#include <mutex>

#include "../program.h"

static std::mutex sessions;

NOT_INLINE static int log_out() {
  std::lock_guard<std::mutex> guard(sessions);
  sessions.unlock();  // "not to hold it while we write"
  return getpid() > 0 ? 0 : 1;
}

int main() { return log_out(); }
