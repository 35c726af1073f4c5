// SPDX-License-Identifier: Apache-2.0
// Innocent handing over: mutexes as signals, semaphores, barriers, initialisers, pools.
#include <pthread.h>
#include <semaphore.h>

#include <array>
#include <deque>
#include <vector>

#include "catalog.h"
#include "locks.h"
#include "traffic.h"
#include "troupe.h"

namespace puppet {
namespace {

constexpr long kSignalMicroseconds = 300'000;

// A thread locks a mutex twice; another unlocks it a little later. Not what POSIX wants, but it works and is done.
void mutex_as_signal(Stage& stage) {
  stage.expect_none();
  auto* mutex = new pthread_mutex_t;
  make_mutex(mutex);
  start_detached([=, &stage] {
    for (;;) {
      stage.await(0, 1);
      work_for(kSignalMicroseconds);
      unlock(mutex);
    }
  });
  start_detached([=, &stage] {
    lock(mutex);
    stage.arrive(0);
    for (;;) {
      lock(mutex);
      stage.moved();
    }
  });
}

// As above, and the thread that locked it has ended.
void signal_from_the_gone(Stage& stage) {
  stage.expect_none();
  start_detached([&stage] {
    for (;;) {
      pthread_mutex_t mutex;
      make_mutex(&mutex);
      const pthread_t owner = start_thread([&mutex] { lock(&mutex); });
      must_zero(pthread_join(owner, nullptr), "pthread_join");
      const pthread_t giver = start_thread([&mutex] {
        work_for(kSignalMicroseconds);
        unlock(&mutex);
      });
      lock(&mutex);
      unlock(&mutex);
      must_zero(pthread_join(giver, nullptr), "pthread_join");
      stage.moved();
    }
  });
}

void semaphore_ping_pong(Stage& stage) {
  stage.expect_none(100);
  auto* semaphores = new std::array<sem_t, 2>;
  sem_init(&(*semaphores)[0], 0, 1);
  sem_init(&(*semaphores)[1], 0, 0);
  for (std::size_t i = 0; i < 2; ++i) {
    start_detached([=, &stage] {
      for (;;) {
        sem_wait(&(*semaphores)[i]);
        work_for(500);
        sem_post(&(*semaphores)[1 - i]);
        stage.moved();
      }
    });
  }
}

void barrier_rounds(Stage& stage) {
  stage.expect_none(50);
  constexpr unsigned kThreads = 8;
  auto* barrier = new pthread_barrier_t;
  must_zero(pthread_barrier_init(barrier, nullptr, kThreads), "pthread_barrier_init");
  for (unsigned i = 0; i < kThreads; ++i) {
    start_detached([=, &stage] {
      for (;;) {
        work_for(100 * static_cast<long>(i));
        pthread_barrier_wait(barrier);
        stage.moved();
      }
    });
  }
}

void slow_initialiser() { work_for(100'000); }

void slow_once(Stage& stage) {
  stage.expect_none(2);
  constexpr unsigned kThreads = 8;
  start_detached([&stage] {
    for (;;) {
      pthread_once_t once = PTHREAD_ONCE_INIT;
      std::vector<pthread_t> threads;
      for (unsigned i = 0; i < kThreads; ++i)
        threads.push_back(start_thread([&] { pthread_once(&once, slow_initialiser); }));
      for (const pthread_t thread : threads) must_zero(pthread_join(thread, nullptr), "pthread_join");
      stage.moved();
    }
  });
}

struct Pool {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t work = PTHREAD_COND_INITIALIZER;
  std::deque<int> queue;
  bool stopped = false;

  // False: told to end.
  bool serve() {
    lock(&mutex);
    while (queue.empty() && !stopped) pthread_cond_wait(&work, &mutex);
    const bool served = !queue.empty();
    if (served) queue.pop_front();
    unlock(&mutex);
    return served;
  }
  void give(int item) {
    lock(&mutex);
    queue.push_back(item);
    pthread_cond_signal(&work);
    unlock(&mutex);
  }
  void stop() {
    lock(&mutex);
    stopped = true;
    pthread_cond_broadcast(&work);
    unlock(&mutex);
  }
};

void idle_pool(Stage& stage) {
  stage.expect_none(20);
  auto* pool = new Pool;
  for (int i = 0; i < 32; ++i) {
    start_detached([=, &stage] {
      while (pool->serve()) stage.moved();
    });
  }
  start_detached([=] {
    for (int item = 0;; ++item) {
      pool->give(item);
      work_for(2000);
    }
  });
}

void pools_that_end(Stage& stage) {
  stage.expect_none(3);
  start_detached([&stage] {
    for (;;) {
      Pool pool;
      std::vector<pthread_t> workers;
      for (int i = 0; i < 8; ++i) {
        workers.push_back(start_thread([&pool] {
          while (pool.serve()) work_for(500);
        }));
      }
      for (int item = 0; item < 64; ++item) pool.give(item);
      pool.stop();
      for (const pthread_t worker : workers) must_zero(pthread_join(worker, nullptr), "pthread_join");
      stage.moved();
    }
  });
}

constexpr Scenario kScenarios[] = {
    {"mutex_as_signal", mutex_as_signal},
    {"mutex_as_signal_owner_gone", signal_from_the_gone},
    {"semaphore_ping_pong", semaphore_ping_pong},
    {"barrier_rounds", barrier_rounds},
    {"slow_once", slow_once},
    {"condition_pool", idle_pool},
    {"pools_that_end", pools_that_end},
};

}  // namespace

std::span<const Scenario> handover_traffic() { return kScenarios; }

}  // namespace puppet
