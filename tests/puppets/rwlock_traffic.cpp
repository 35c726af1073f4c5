// SPDX-License-Identifier: Apache-2.0
// Innocent read-write locks under load.
#include <pthread.h>

#include "catalog.h"
#include "locks.h"
#include "traffic.h"
#include "troupe.h"

namespace puppet {
namespace {

template <int kind>
void readers_and_writers(Stage& stage) {
  stage.expect_none(100);
  auto* rwlock = new pthread_rwlock_t;
  pthread_rwlockattr_t attributes;
  pthread_rwlockattr_init(&attributes);
  must_zero(pthread_rwlockattr_setkind_np(&attributes, kind), "pthread_rwlockattr_setkind_np");
  must_zero(pthread_rwlock_init(rwlock, &attributes), "pthread_rwlock_init");
  for (unsigned i = 0; i < 16; ++i) {
    start_detached([=, &stage] {
      Chance chance(i);
      for (;;) {
        const bool writes = i % 4 == 0;
        must_zero(writes ? pthread_rwlock_wrlock(rwlock) : pthread_rwlock_rdlock(rwlock), "locking a rwlock");
        work_for(static_cast<long>(chance.below(1000)));
        must_zero(pthread_rwlock_unlock(rwlock), "pthread_rwlock_unlock");
        stage.moved();
        if (chance.below(2) == 0) work_for(static_cast<long>(chance.below(500)));
      }
    });
  }
}

constexpr Scenario kScenarios[] = {
    {"rwlock_churn_readers_first", readers_and_writers<PTHREAD_RWLOCK_PREFER_READER_NP>},
    {"rwlock_churn_writers_first", readers_and_writers<PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP>},
};

}  // namespace

std::span<const Scenario> rwlock_traffic() { return kScenarios; }

}  // namespace puppet
