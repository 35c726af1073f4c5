// SPDX-License-Identifier: Apache-2.0
// Locks as scenarios make them, and what is true of them in a report. Kind names are those of lockscope's JSON.
#pragma once

#include <pthread.h>

#include <cstddef>

#include "stage.h"

namespace puppet {

struct MutexKind {
  const char* name;
  int type = PTHREAD_MUTEX_NORMAL;
  int protocol = PTHREAD_PRIO_NONE;
  bool robust = false;
};

inline constexpr MutexKind kNormal{"mutex"};
inline constexpr MutexKind kRecursive{"recursive_mutex", PTHREAD_MUTEX_RECURSIVE};
inline constexpr MutexKind kErrorcheck{"errorcheck_mutex", PTHREAD_MUTEX_ERRORCHECK};
inline constexpr MutexKind kAdaptive{"adaptive_mutex", PTHREAD_MUTEX_ADAPTIVE_NP};
inline constexpr MutexKind kRobust{"robust_mutex", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_NONE, true};
inline constexpr MutexKind kPi{"pi_mutex", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_INHERIT};
inline constexpr MutexKind kPriorityProtect{"priority_protect_mutex", PTHREAD_MUTEX_NORMAL, PTHREAD_PRIO_PROTECT};

void make_mutex(pthread_mutex_t* mutex, const MutexKind& kind = kNormal, bool shared = false);
void lock(pthread_mutex_t* mutex);
void unlock(pthread_mutex_t* mutex);

[[nodiscard]] LockTruth truth_of(const pthread_mutex_t* mutex, const MutexKind& kind = kNormal, bool shared = false);
[[nodiscard]] LockTruth truth_of(const pthread_rwlock_t* rwlock);

// What follows a lock call that never returns: if it does, the puppet told a false truth.
[[noreturn]] void unreachable_behind_hang();

// The calling thread takes its part and blocks for good.
void hang_on(Stage& stage, const Part& part, pthread_mutex_t* mutex, const MutexKind& kind = kNormal,
             bool shared = false);

// Shared memory, anonymous or of a file of the stage, zeroed.
[[nodiscard]] void* shared_memory(std::size_t bytes);
[[nodiscard]] void* shared_file(Stage& stage, std::size_t bytes);
// Moves the mapping to a place that differs with `distance`.
[[nodiscard]] void* move_mapping(void* memory, std::size_t bytes, int distance);

// A new open file description of a file of the stage.
[[nodiscard]] int open_file(Stage& stage, const char* file);
void flock_file(int fd, int operation);
enum class RecordLock { posix, ofd };
// Bytes [start, start + length) exclusively; length 0: to the end of the file. `wait` false: must be free.
void lock_record(int fd, RecordLock kind, long start, long length, bool wait);

[[nodiscard]] LockTruth flock_truth(const char* file);
[[nodiscard]] LockTruth record_truth(RecordLock kind, const char* file);

}  // namespace puppet
