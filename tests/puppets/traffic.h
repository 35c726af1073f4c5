// SPDX-License-Identifier: Apache-2.0
// Small things that innocent scenarios share: time passing as their workload, and numbers by chance.
#pragma once

#include <time.h>

#include <cstdint>

namespace puppet {

// Part of the workload (work that takes time while a lock is held), never a way to wait for somebody.
inline void work_for(long microseconds) {
  const timespec time{microseconds / 1'000'000, microseconds % 1'000'000 * 1000};
  nanosleep(&time, nullptr);
}

// xorshift64*; one for each thread.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 1) {}
  // 0 … limit - 1.
  std::uint64_t below(std::uint64_t limit) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return (state_ * 0x2545F4914F6CDD1DULL >> 33) % limit;
  }

 private:
  std::uint64_t state_;
};

inline timespec realtime_in(long milliseconds) {
  timespec end{};
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_nsec += milliseconds % 1000 * 1'000'000;
  end.tv_sec += milliseconds / 1000 + end.tv_nsec / 1'000'000'000;
  end.tv_nsec %= 1'000'000'000;
  return end;
}

}  // namespace puppet
