// SPDX-License-Identifier: Apache-2.0
// Wrong: a member function that locks calls another one that locks the same std::mutex. Does not end by itself.
#include <mutex>

#include "../program.h"

namespace {

class Cache {
 public:
  NOT_INLINE int trim() {
    std::lock_guard<std::mutex> guard(lock_);
    return size() - 1;
  }
  NOT_INLINE int size() {
    std::lock_guard<std::mutex> guard(lock_);
    return 1;
  }

 private:
  std::mutex lock_;
};

}  // namespace

int main() {
  Cache cache;
  return cache.trim();
}
