// SPDX-License-Identifier: Apache-2.0
// A thread pool as programs have them, to be timed under a tracer: one queue, a mutex and a condition, four workers,
// each task a few microseconds of work and a result that is added up under a second mutex.
// usage: thread_pool TASKS
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace {

class Pool {
 public:
  explicit Pool(int workers) {
    for (int i = 0; i < workers; ++i) {
      workers_.emplace_back([this] { work(); });
    }
  }
  ~Pool() {
    {
      const std::scoped_lock guard(mutex_);
      done_ = true;
    }
    wanted_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void add(std::function<void()> task) {
    {
      std::unique_lock guard(mutex_);
      room_.wait(guard, [this] { return tasks_.size() < kMost; });
      tasks_.push_back(std::move(task));
    }
    wanted_.notify_one();
  }

 private:
  static constexpr std::size_t kMost = 1000;

  void work() {
    while (true) {
      std::function<void()> task;
      {
        std::unique_lock guard(mutex_);
        wanted_.wait(guard, [this] { return done_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      room_.notify_one();
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable wanted_, room_;
  std::deque<std::function<void()>> tasks_;
  bool done_ = false;
  std::vector<std::thread> workers_;
};

std::uint64_t mixed(std::uint64_t value) {
  for (int i = 0; i < 10'000; ++i) value = value * 6364136223846793005u + 1442695040888963407u;
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  const int tasks = argc > 1 ? std::atoi(argv[1]) : 1000;
  std::mutex sum_mutex;
  std::uint64_t sum = 0;
  {
    Pool pool(4);
    for (int i = 0; i < tasks; ++i) {
      pool.add([&, i] {
        const std::uint64_t value = mixed(static_cast<std::uint64_t>(i));
        const std::scoped_lock guard(sum_mutex);
        sum += value;
      });
    }
  }
  std::printf("%llu\n", static_cast<unsigned long long>(sum));
}
