// SPDX-License-Identifier: Apache-2.0
// Wrong: a lock class of the program's own, destroyed in front of its guard, because an exception was thrown between.
#include <memory>
#include <stdexcept>

#include "../program.h"

namespace {

class Lock {
 public:
  NOT_INLINE Lock() { pthread_mutex_init(&mutex_, nullptr); }
  NOT_INLINE ~Lock() { IGNORED(pthread_mutex_destroy(&mutex_)); }
  NOT_INLINE void take() { MUST(pthread_mutex_lock(&mutex_)); }
  NOT_INLINE void give() { MUST(pthread_mutex_unlock(&mutex_)); }

 private:
  pthread_mutex_t mutex_;
};

void use(bool broken) {
  auto lock = std::make_unique<Lock>();
  lock->take();
  if (broken) throw std::runtime_error("broken");
  lock->give();
}

}  // namespace

int main() {
  use(false);
  try {
    use(true);
  } catch (const std::runtime_error&) {
    return 0;
  }
  return 1;
}
