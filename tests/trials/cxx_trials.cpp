// SPDX-License-Identifier: Apache-2.0
// Primitives of libstdc++: those that are pthread objects inside, and those that are futexes of its own.
#include <atomic>
#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>
#include <new>
#include <semaphore>
#include <shared_mutex>
#include <thread>

#include "play.h"

namespace {

template <class T>
T* make(int index) {
  return new (place_object(index, sizeof(T))) T();
}

template <class M>
void lock(void* m) {
  static_cast<M*>(m)->lock();
}
template <class M>
void wait_lock(trial*, void* m) {
  static_cast<M*>(m)->lock();
}

template <class M>
void play_mutex(trial* t, int index, const char* kind) {
  M* m = make<M>(index);
  set_truth(t, kind, m, have_holder(index, lock<M>, m));
  start_waiter(t, wait_lock<M>, m);
}

void mutex(trial* t, int i) { play_mutex<std::mutex>(t, i, "mutex"); }
void recursive_mutex(trial* t, int i) { play_mutex<std::recursive_mutex>(t, i, "recursive_mutex"); }
void timed_mutex(trial* t, int i) { play_mutex<std::timed_mutex>(t, i, "mutex"); }
void shared_mutex(trial* t, int i) { play_mutex<std::shared_mutex>(t, i, "rwlock"); }

void shared_mutex_read(trial* t, int index) {
  auto* m = make<std::shared_mutex>(index);
  set_truth(t, "rwlock", m, have_holder(index, lock<std::shared_mutex>, m));
  t->shared_mode = 1;
  start_waiter(
      t, [](trial*, void* p) { static_cast<std::shared_mutex*>(p)->lock_shared(); }, m);
}

void condition(trial* t, int index) {
  auto* c = make<std::condition_variable>(index);
  auto* m = new (place_companion(index, sizeof(std::mutex))) std::mutex();
  set_truth(t, "cond", c, 0);
  t->needs_mutex = reinterpret_cast<std::uintptr_t>(m);
  start_waiter(
      t,
      [](trial* of, void* p) {
        std::unique_lock held(*reinterpret_cast<std::mutex*>(of->needs_mutex));
        static_cast<std::condition_variable*>(p)->wait(held);
      },
      c);
}

// A guard of a function's static variable cannot be placed: the calls that the compiler makes are made by hand.
extern "C" int __cxa_guard_acquire(std::uint64_t*);

void guard(trial* t, int index) {
  auto* g = make<std::uint64_t>(index);
  *g = 0;
  have_holder(
      index, [](void* p) { must(__cxa_guard_acquire(static_cast<std::uint64_t*>(p)) == 1, "guard"); }, g);
  set_truth(t, "once", g, 0);
  start_waiter(
      t, [](trial*, void* p) { __cxa_guard_acquire(static_cast<std::uint64_t*>(p)); }, g);
}

void atomic_wait(trial* t, int index) {
  auto* a = make<std::atomic<int>>(index);
  static const int values[] = {0, 1, 2, 3, 4711};
  *a = values[index % 5];
  set_truth(t, "futex", nullptr, 0);
  start_waiter(
      t,
      [](trial*, void* p) {
        auto* word = static_cast<std::atomic<int>*>(p);
        for (;;) word->wait(word->load());
      },
      a);
}

void semaphore(trial* t, int index) {
  auto* s = new (place_object(index, sizeof(std::counting_semaphore<100>))) std::counting_semaphore<100>(0);
  set_truth(t, "futex", nullptr, 0);
  start_waiter(
      t, [](trial*, void* p) { static_cast<std::counting_semaphore<100>*>(p)->acquire(); }, s);
}

void latch(trial* t, int index) {
  auto* l = new (place_object(index, sizeof(std::latch))) std::latch(1);
  set_truth(t, "futex", nullptr, 0);
  start_waiter(
      t, [](trial*, void* p) { static_cast<std::latch*>(p)->wait(); }, l);
}

void future(trial* t, int index) {
  auto* p = make<std::promise<int>>(index);
  set_truth(t, "futex", nullptr, 0);
  start_waiter(
      t, [](trial*, void* promise) { static_cast<std::promise<int>*>(promise)->get_future().get(); }, p);
}

}  // namespace

extern const primitive cxx_primitives[] = {
    {"cxx:mutex", mutex, 0, 0},
    {"cxx:recursive_mutex", recursive_mutex, 0, 0},
    {"cxx:timed_mutex", timed_mutex, 0, 0},
    {"cxx:shared_mutex", shared_mutex, 0, 0},
    {"cxx:shared_mutex:read", shared_mutex_read, 0, 0},
    {"cxx:condition_variable", condition, 0, 0},
    {"cxx:static_guard", guard, 0, 0},
    {"cxx:atomic_wait", atomic_wait, 0, 0},
    {"cxx:counting_semaphore", semaphore, 0, 0},
    {"cxx:latch", latch, 0, 0},
    {"cxx:future", future, 0, 0},
    {nullptr, nullptr, 0, 0},
};
