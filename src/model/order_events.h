// SPDX-License-Identifier: Apache-2.0
// Whether two moments of a trace, each a thread that asks for one lock while it holds others, can have stood at the
// same time, had the threads been scheduled otherwise. What is ordered by the program itself is no danger:
//  - threads: one thread is at one place at a time; who had not started or had ended was nowhere. Only the first and
//    the last time of a chain are known, so only these two are judged.
//  - gates: a common lock that one of them excludes the other from.
//  - barriers: the one passed it after its moment, the other before.
//  - lives: an address means one lock from init to destroy.
// Orders by semaphores, conditions and flags are not known here. Pure; a question costs the held locks of both, and the
// barriers that the first passed between the two moments, to a limit.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "lockscope/lock_trace.h"

namespace lockscope {

// One edge of the lock-order graph at one time.
struct OrderEvent {
  std::uint32_t chain = 0;
  std::uint32_t held = 0;  // index into its held locks
  std::uint64_t time_ns = 0;
};

struct TracedLockHash {
  std::size_t operator()(const TracedLock& lock) const {
    std::uint64_t bits = (lock.address >> 3) * 0x9e3779b97f4a7c15U + lock.image;
    bits ^= bits >> 32;
    return static_cast<std::size_t>(bits * 0x9e3779b97f4a7c15U);
  }
};

class OrderEvents {
 public:
  explicit OrderEvents(const LockTrace& trace);  // must outlive this

  // By different threads, not ordered by the program, and behind no common gate.
  [[nodiscard]] bool can_meet(const OrderEvent& one, const OrderEvent& other) const;
  // The lock that the first waits for is the one that the second holds, as of their times, and it blocks the first.
  [[nodiscard]] bool blocks(const OrderEvent& waiter, const OrderEvent& holder) const;
  // Of locks that are not the same but have one role in two objects: only the modes matter.
  [[nodiscard]] bool modes_conflict(const OrderEvent& waiter, const OrderEvent& holder) const;
  // It was set up by a call that was seen, at this time or before.
  [[nodiscard]] bool was_initialised(const TracedLock& lock, std::uint64_t time_ns) const {
    const auto found = initialised_.find(lock);
    return found != initialised_.end() && found->second <= time_ns;
  }

 private:
  struct Pass {
    TracedLock barrier;
    std::uint64_t arrived_ns = 0;
    std::uint64_t left_ns = 0;
  };
  struct Gate {
    TracedLock lock;
    bool shared = false;
  };

  [[nodiscard]] bool share_gate(const OrderEvent& one, const OrderEvent& other) const;
  [[nodiscard]] bool lived(std::size_t thread, std::uint64_t time_ns) const;
  [[nodiscard]] bool before_by_barrier(const OrderEvent& first, const OrderEvent& second) const;
  [[nodiscard]] bool one_life(const TracedLock& lock, std::uint64_t one_ns, std::uint64_t other_ns) const;

  const LockTrace& trace_;
  std::vector<std::size_t> first_gate_;    // by chain, into gates_
  std::vector<Gate> gates_;                // of each chain, by lock, the exclusive first
  std::vector<std::vector<Pass>> passes_;  // by thread, then by arrival
  std::unordered_map<TracedLock, std::vector<std::uint64_t>, TracedLockHash> boundaries_;  // sorted
  std::unordered_map<TracedLock, std::uint64_t, TracedLockHash> initialised_;              // first
};

}  // namespace lockscope
