// SPDX-License-Identifier: Apache-2.0
// Wrong: locks a std::shared_mutex twice; the library finds out and throws.
#include <mutex>
#include <shared_mutex>
#include <system_error>

#include "../program.h"

static std::shared_mutex routes;

NOT_INLINE static int change() {
  std::unique_lock<std::shared_mutex> first(routes);
  try {
    std::unique_lock<std::shared_mutex> second(routes);
  } catch (const std::system_error& error) {
    return error.code() == std::errc::resource_deadlock_would_occur ? 0 : 1;
  }
  return 2;
}

int main() { return change(); }
