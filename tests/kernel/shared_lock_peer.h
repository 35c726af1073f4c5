// SPDX-License-Identifier: Apache-2.0
// Processes of other users that share a mutex and a semaphore with each other and do with them what they are told. For
// the tests of shared_lock_probes. They die with the test.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <vector>

#include "lockscope/raw_sample.h"
#include "source/unique_fd.h"

namespace lockscope::test {

inline constexpr uid_t kVictim = 65533;
inline constexpr uid_t kOutsider = 65534;
inline constexpr std::size_t kPage = 4096;
inline constexpr std::size_t kMutexAt = 128;
inline constexpr std::size_t kSemaphoreAt = kPage + 256;

// A file with a mutex and a semaphore in it, the semaphore with this value.
class SharedFile {
 public:
  explicit SharedFile(unsigned value);
  [[nodiscard]] SharedPlace at(std::size_t offset) const;
  UniqueFd fd;
};

enum class Act : int {
  lock,
  unlock,
  try_mutex,        // n times; answers how many failed
  try_semaphore,    // the same
  timed_semaphore,  // the same, with a deadline that has passed
  timed_mutex,
  wait_long,  // for the mutex, until a time-out that it sleeps through
  wait,       // for the semaphore
  post,
  try_private,  // the same calls on locks of its own
  load,         // threads that try and post until the next act
  load_canceller,
  cancel,  // a thread that is in sem_wait; answers whether its destructors have run
  filter,  // refuse a system call, as in a container
  exec,
};
// A process of this user that maps the file.
class Peer {
 public:
  Peer(uid_t uid, const SharedFile& file);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void tell(Act act, int times = 1) const;
  [[nodiscard]] int answer() const;
  int ask(Act act, int times = 1) const {
    tell(act, times);
    return answer();
  }
  void die() const;
  // The first bytes of the functions that are probed, as they are in its memory now.
  [[nodiscard]] std::vector<std::uint8_t> code() const;

 private:
  [[noreturn]] void serve(uid_t uid, int file) const;

  pid_t pid_ = -1;
  std::array<int, 2> orders_{};
  std::array<int, 2> answers_{};
};

}  // namespace lockscope::test
