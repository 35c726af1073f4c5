// SPDX-License-Identifier: Apache-2.0
// Right: a thread pool as everybody writes it: workers wait for a condition with a unique lock, unlock it around the
// job; jobs lock what they need.
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "../program.h"

namespace {

class Pool {
 public:
  explicit Pool(int size) {
    for (int i = 0; i < size; ++i) workers_.emplace_back([this] { work(); });
  }
  ~Pool() {
    {
      std::lock_guard<std::mutex> guard(lock_);
      closed_ = true;
    }
    changed_.notify_all();
    for (auto& worker : workers_) worker.join();
  }
  void add(std::function<void()> job) {
    {
      std::lock_guard<std::mutex> guard(lock_);
      jobs_.push_back(std::move(job));
    }
    changed_.notify_one();
  }

 private:
  void work() {
    std::unique_lock<std::mutex> guard(lock_);
    for (;;) {
      changed_.wait(guard, [this] { return closed_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      guard.unlock();
      job();
      guard.lock();
    }
  }

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool closed_ = false;
  std::vector<std::thread> workers_;
};

std::mutex sum_lock;
long sum = 0;

}  // namespace

int main() {
  {
    Pool pool(4);
    for (int i = 0; i < 200; ++i) {
      pool.add([i] {
        std::lock_guard<std::mutex> guard(sum_lock);
        sum += i;
      });
    }
  }
  return sum == 19900 ? 0 : 1;
}
