// SPDX-License-Identifier: Apache-2.0
// Process-shared mutexes between processes, at another address in each.
#include <vector>

#include "catalog.h"
#include "locks.h"
#include "troupe.h"

namespace puppet {
namespace {

constexpr std::size_t kBytes = 4 * 4096;
// Not at the start of the mapping, and not all in one page.
constexpr std::size_t kFirstAt = 4096 - 2 * sizeof(pthread_mutex_t);

pthread_mutex_t* mutexes_in(void* memory) {
  return reinterpret_cast<pthread_mutex_t*>(static_cast<std::byte*>(memory) + kFirstAt);
}

void play(Stage& stage, void* memory, int count, const MutexKind& kind, const char* file) {
  stage.expect("deadlock", count);
  for (int i = 0; i < count; ++i) make_mutex(mutexes_in(memory) + i, kind, true);
  for (int i = 0; i < count; ++i) {
    start_process(stage, [=, &stage] {
      pthread_mutex_t* mutexes = mutexes_in(move_mapping(memory, kBytes, i));
      pthread_mutex_t* next = mutexes + (i + 1) % count;
      lock(mutexes + i);
      stage.meet(0, count);
      LockTruth truth = truth_of(next, kind, true);
      truth.file = file;
      stage.take({.role = Role::cycle, .order = i}, truth);
      pthread_mutex_lock(next);
      unreachable_behind_hang();
    });
  }
}

void anonymous(Stage& stage) { play(stage, shared_memory(kBytes), 2, kNormal, nullptr); }
void anonymous_of_five(Stage& stage) { play(stage, shared_memory(kBytes), 5, kNormal, nullptr); }
void in_a_file(Stage& stage) { play(stage, shared_file(stage, kBytes), 2, kNormal, kSharedMap); }
void robust(Stage& stage) { play(stage, shared_memory(kBytes), 2, kRobust, nullptr); }

// One of the locks is a thread's own, the other is shared with another process.
void private_and_shared(Stage& stage) {
  stage.expect("deadlock", 3);
  void* memory = shared_memory(kBytes);
  pthread_mutex_t* shared = mutexes_in(memory);
  make_mutex(shared, kNormal, true);
  make_mutex(shared + 1, kNormal, true);
  start_process(stage, [=, &stage] {
    lock(shared);
    stage.meet(0, 2);
    hang_on(stage, {.role = Role::cycle, .order = 2}, shared + 1, kNormal, true);
  });
  start_process(stage, [=, &stage] {
    auto* own = new pthread_mutex_t;
    make_mutex(own);
    start_detached([=, &stage] {
      lock(own);
      stage.meet(1, 2);
      hang_on(stage, {.role = Role::cycle, .order = 1}, shared, kNormal, true);
    });
    lock(shared + 1);
    stage.meet(0, 2);
    stage.meet(1, 2);
    hang_on(stage, {.role = Role::cycle, .order = 0}, own);
  });
}

constexpr Scenario kScenarios[] = {
    {"shared_cycle", anonymous},
    {"shared_cycle_5", anonymous_of_five},
    {"shared_cycle_file", in_a_file},
    {"shared_robust_cycle", robust},
    {"private_and_shared_cycle", private_and_shared},
};

}  // namespace

std::span<const Scenario> shared_mutex_cycles() { return kScenarios; }

}  // namespace puppet
