// SPDX-License-Identifier: Apache-2.0
// Cycles through file locks. A file lock is held by an open file description, and any thread that has it can let go, so
// these processes have one thread each. Two POSIX locks cannot hang: the kernel refuses the second.
#include <sys/file.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <functional>
#include <vector>

#include "catalog.h"
#include "locks.h"
#include "troupe.h"

namespace puppet {
namespace {

// One side of a two-process cycle: takes its lock, meets the other, says what it will wait for and does.
struct Side {
  std::function<void()> take;
  std::function<LockTruth()> next;
  std::function<void()> hang;
};

void play_sides(Stage& stage, const std::vector<std::function<Side()>>& sides) {
  const int count = static_cast<int>(sides.size());
  stage.expect("deadlock", count);
  for (int i = 0; i < count; ++i) {
    start_process(stage, [=, &stage] {
      const Side side = sides[static_cast<std::size_t>(i)]();
      side.take();
      stage.meet(0, count);
      stage.take({.role = Role::cycle, .order = i}, side.next());
      side.hang();
      unreachable_behind_hang();
    });
  }
}

void flocks(Stage& stage, int count) {
  std::vector<std::function<Side()>> sides;
  for (int i = 0; i < count; ++i) {
    sides.emplace_back([&stage, i, count] {
      const char* own = kFiles[static_cast<std::size_t>(i)];
      const char* other = kFiles[static_cast<std::size_t>((i + 1) % count)];
      return Side{[=, &stage] { flock_file(open_file(stage, own), LOCK_EX); }, [=] { return flock_truth(other); },
                  [=, &stage] { flock_file(open_file(stage, other), LOCK_EX); }};
    });
  }
  play_sides(stage, sides);
}

void flock_2(Stage& stage) { flocks(stage, 2); }
void flock_3(Stage& stage) { flocks(stage, 3); }

void ofd(Stage& stage) {
  std::vector<std::function<Side()>> sides;
  for (int i = 0; i < 2; ++i) {
    sides.emplace_back([&stage, i] {
      const char* own = i == 0 ? kFileA : kFileB;
      const char* other = i == 0 ? kFileB : kFileA;
      return Side{[=, &stage] { lock_record(open_file(stage, own), RecordLock::ofd, 0, 0, false); },
                  [=] { return record_truth(RecordLock::ofd, other); },
                  [=, &stage] { lock_record(open_file(stage, other), RecordLock::ofd, 0, 0, true); }};
    });
  }
  play_sides(stage, sides);
}

// One file, two ranges; a third process holds a range that nobody wants.
void ofd_ranges(Stage& stage) {
  start_process(stage, [&stage] {
    lock_record(open_file(stage, kFileA), RecordLock::ofd, 100, 10, false);
    stage.arrive(1);
  });
  stage.await(1, 1);
  std::vector<std::function<Side()>> sides;
  for (int i = 0; i < 2; ++i) {
    sides.emplace_back([&stage, i] {
      const int fd = open_file(stage, kFileA);
      return Side{[=] { lock_record(fd, RecordLock::ofd, i * 10, 10, false); },
                  [] { return record_truth(RecordLock::ofd, kFileA); },
                  [=] { lock_record(fd, RecordLock::ofd, (1 - i) * 10, 10, true); }};
    });
  }
  play_sides(stage, sides);
}

void posix_and_flock(Stage& stage) {
  const auto posix_holder = [&stage] {
    return Side{[&stage] { lock_record(open_file(stage, kFileA), RecordLock::posix, 0, 100, false); },
                [] { return flock_truth(kFileB); }, [&stage] { flock_file(open_file(stage, kFileB), LOCK_EX); }};
  };
  const auto flock_holder = [&stage] {
    return Side{[&stage] { flock_file(open_file(stage, kFileB), LOCK_EX); },
                [] { return record_truth(RecordLock::posix, kFileA); },
                [&stage] { lock_record(open_file(stage, kFileA), RecordLock::posix, 50, 10, true); }};
  };
  play_sides(stage, {posix_holder, flock_holder});
}

void flock_and_mutex(Stage& stage) {
  auto* mutex = static_cast<pthread_mutex_t*>(shared_memory(4096));
  make_mutex(mutex, kNormal, true);
  const auto flock_holder = [&stage, mutex] {
    return Side{[&stage] { flock_file(open_file(stage, kFileA), LOCK_EX); },
                [=] { return truth_of(mutex, kNormal, true); }, [=] { lock(mutex); }};
  };
  const auto mutex_holder = [&stage, mutex] {
    return Side{[=] { lock(mutex); }, [] { return flock_truth(kFileA); },
                [&stage] { flock_file(open_file(stage, kFileA), LOCK_EX); }};
  };
  play_sides(stage, {flock_holder, mutex_holder});
}

// Two looks at the same inode under two kinds of lock: flock and OFD locks of one file do not meet.
void flock_and_ofd(Stage& stage) {
  const auto flock_holder = [&stage] {
    return Side{[&stage] { flock_file(open_file(stage, kFileA), LOCK_EX); },
                [] { return record_truth(RecordLock::ofd, kFileA); },
                [&stage] { lock_record(open_file(stage, kFileA), RecordLock::ofd, 0, 0, true); }};
  };
  const auto ofd_holder = [&stage] {
    return Side{[&stage] { lock_record(open_file(stage, kFileA), RecordLock::ofd, 0, 0, false); },
                [] { return flock_truth(kFileA); }, [&stage] { flock_file(open_file(stage, kFileA), LOCK_EX); }};
  };
  play_sides(stage, {flock_holder, ofd_holder});
}

// Names chosen to break lines, colours and titles of whoever prints them.
void hostile_names(Stage& stage) {
  const auto flock_holder = [&stage](const char* own, const char* other) {
    return [&stage, own, other] {
      prctl(PR_SET_NAME, "evil\n\x1b]0;x\x07");
      return Side{[=, &stage] { flock_file(open_file(stage, own), LOCK_EX); }, [=] { return flock_truth(other); },
                  [=, &stage] { flock_file(open_file(stage, other), LOCK_EX); }};
    };
  };
  play_sides(stage, {flock_holder(kFileA, kHostileFile), flock_holder(kHostileFile, kFileA)});
}

constexpr Scenario kScenarios[] = {
    {"flock_cycle", flock_2, Idle::forbidden},
    {"flock_cycle_3", flock_3, Idle::forbidden},
    {"ofd_cycle", ofd, Idle::forbidden},
    {"ofd_range_cycle", ofd_ranges, Idle::forbidden},
    {"posix_flock_cycle", posix_and_flock, Idle::forbidden},
    {"flock_ofd_cycle", flock_and_ofd, Idle::forbidden},
    {"flock_mutex_cycle", flock_and_mutex, Idle::forbidden},
    {"hostile_names", hostile_names, Idle::forbidden},
};

}  // namespace

std::span<const Scenario> file_lock_cycles() { return kScenarios; }

}  // namespace puppet
