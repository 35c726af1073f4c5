// SPDX-License-Identifier: Apache-2.0
// Wrong: a lock guard adopts a std::mutex that nobody has locked.
#include <mutex>

#include "../program.h"

static std::mutex sessions;

NOT_INLINE static int log_out() {
  std::lock_guard<std::mutex> guard(sessions, std::adopt_lock);
  return getpid() > 0 ? 0 : 1;
}

int main() { return log_out(); }
