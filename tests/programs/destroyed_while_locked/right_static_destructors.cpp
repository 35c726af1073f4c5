// SPDX-License-Identifier: Apache-2.0
// Right: objects with locks die at exit, after a detached thread of theirs has let go, and each takes its lock once
// more in its destructor. Standard mutexes, and one of pthreads that is destroyed by call.
#include <mutex>
#include <thread>

#include "../program.h"

namespace {

class Log {
 public:
  Log() { MUST(pthread_mutex_init(&lock_, nullptr)); }
  ~Log() {
    write();
    MUST(pthread_mutex_destroy(&lock_));
  }
  void write() {
    MUST(pthread_mutex_lock(&lock_));
    std::lock_guard<std::mutex> guard(lines_lock_);
    ++lines_;
    MUST(pthread_mutex_unlock(&lock_));
  }

 private:
  pthread_mutex_t lock_;
  std::mutex lines_lock_;
  long lines_ = 0;
};

Log global;

Log& local() {
  static Log log;
  return log;
}

std::once_flag once;
sem_t written, never;

void worker() {
  std::call_once(once, [] { local().write(); });
  for (int i = 0; i < 20; ++i) {
    global.write();
    local().write();
  }
  pass(&written);
  wait_for(&never);
}

}  // namespace

int main() {
  std::thread(worker).detach();
  std::thread(worker).detach();
  wait_for(&written);
  wait_for(&written);
}
