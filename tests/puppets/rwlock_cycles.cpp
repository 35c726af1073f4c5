// SPDX-License-Identifier: Apache-2.0
// Read-write locks. A rwlock held by readers has a count and no names, so where readers are part of the hang every
// other thread of the process sleeps for good.
#include <pthread.h>

#include "catalog.h"
#include "locks.h"
#include "troupe.h"

namespace puppet {
namespace {

pthread_rwlock_t* make_rwlock(int kind = PTHREAD_RWLOCK_DEFAULT_NP) {
  auto* rwlock = new pthread_rwlock_t;
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
  must_zero(pthread_rwlockattr_setkind_np(&attributes, kind), "pthread_rwlockattr_setkind_np");
  must_zero(pthread_rwlock_init(rwlock, &attributes), "pthread_rwlock_init");
  pthread_rwlockattr_destroy(&attributes);
  return rwlock;
}

void read_lock(pthread_rwlock_t* rwlock) { must_zero(pthread_rwlock_rdlock(rwlock), "pthread_rwlock_rdlock"); }
void write_lock(pthread_rwlock_t* rwlock) { must_zero(pthread_rwlock_wrlock(rwlock), "pthread_rwlock_wrlock"); }

void hang_writing(Stage& stage, const Part& part, pthread_rwlock_t* rwlock) {
  stage.take(part, truth_of(rwlock));
  pthread_rwlock_wrlock(rwlock);
  unreachable_behind_hang();
}

void hang_reading(Stage& stage, const Part& part, pthread_rwlock_t* rwlock) {
  stage.take(part, truth_of(rwlock));
  pthread_rwlock_rdlock(rwlock);
  unreachable_behind_hang();
}

void crossed(Stage& stage, void (*hang)(Stage&, const Part&, pthread_rwlock_t*)) {
  stage.expect("deadlock", 2);
  pthread_rwlock_t* rwlocks[] = {make_rwlock(), make_rwlock()};
  for (int i = 0; i < 2; ++i) {
    start_detached([=, &stage] {
      write_lock(rwlocks[i]);
      stage.meet(0, 2);
      hang(stage, {.role = Role::cycle, .order = i}, rwlocks[1 - i]);
    });
  }
}

void write_write(Stage& stage) { crossed(stage, hang_writing); }
void write_read(Stage& stage) { crossed(stage, hang_reading); }

void with_mutex(Stage& stage) {
  stage.expect("deadlock", 2);
  pthread_rwlock_t* rwlock = make_rwlock();
  auto* mutex = new pthread_mutex_t;
  make_mutex(mutex);
  start_detached([=, &stage] {
    lock(mutex);
    stage.meet(0, 2);
    hang_writing(stage, {.role = Role::cycle, .order = 0}, rwlock);
  });
  start_detached([=, &stage] {
    write_lock(rwlock);
    stage.meet(0, 2);
    hang_on(stage, {.role = Role::cycle, .order = 1}, mutex);
  });
}

// The only thread reads, and wants to write.
void upgrade(Stage& stage) {
  stage.expect("self_deadlock", 1);
  pthread_rwlock_t* rwlock = make_rwlock();
  read_lock(rwlock);
  hang_writing(stage, {.role = Role::cycle}, rwlock);
}

void both_upgrade(Stage& stage) {
  stage.expect("deadlock", 2);
  pthread_rwlock_t* rwlock = make_rwlock();
  for (int i = 0; i < 2; ++i) {
    start_detached([=, &stage] {
      read_lock(rwlock);
      stage.meet(0, 2);
      hang_writing(stage, {.role = Role::cycle, .order = i}, rwlock);
    });
  }
}

// Eight read; seven of them sleep for good with it, the eighth wants the mutex of the writer.
void writer_behind_readers(Stage& stage) {
  constexpr int kReaders = 8;
  stage.expect("deadlock", 2);
  pthread_rwlock_t* rwlock = make_rwlock();
  auto* mutex = new pthread_mutex_t;
  make_mutex(mutex);
  for (int i = 0; i < kReaders; ++i) {
    start_detached([=, &stage] {
      read_lock(rwlock);
      stage.meet(0, kReaders + 1);
      if (i != 3) rest();
      hang_on(stage, {.role = Role::cycle, .order = 1}, mutex);
    });
  }
  start_detached([=, &stage] {
    lock(mutex);
    stage.meet(0, kReaders + 1);
    hang_writing(stage, {.role = Role::cycle, .order = 0}, rwlock);
  });
}

// Where writers go first, a thread that reads twice hangs behind a writer that came between.
void read_twice(Stage& stage) {
  stage.expect("deadlock", 2);
  pthread_rwlock_t* rwlock = make_rwlock(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  start_detached([=, &stage] {
    read_lock(rwlock);
    stage.arrive(0);
    // The writer is in line once nobody else could read.
    while (pthread_rwlock_tryrdlock(rwlock) == 0) {
      pthread_rwlock_unlock(rwlock);
      poll_pause();
    }
    hang_reading(stage, {.role = Role::cycle, .order = 1}, rwlock);
  });
  start_detached([=, &stage] {
    stage.await(0, 1);
    hang_writing(stage, {.role = Role::cycle, .order = 0}, rwlock);
  });
}

constexpr Scenario kScenarios[] = {
    {"rwlock_write_cycle", write_write},
    {"rwlock_read_cycle", write_read},
    {"mutex_rwlock_cycle", with_mutex},
    {"rwlock_upgrade", upgrade, Idle::forbidden},
    {"rwlock_both_upgrade", both_upgrade, Idle::forbidden},
    {"rwlock_readers_cycle", writer_behind_readers, Idle::forbidden},
    {"rwlock_read_twice", read_twice, Idle::forbidden},
};

}  // namespace

std::span<const Scenario> rwlock_cycles() { return kScenarios; }

}  // namespace puppet
