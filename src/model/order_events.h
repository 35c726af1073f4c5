// SPDX-License-Identifier: Apache-2.0
// Whether two moments of a trace, each a thread that asks for one lock while it holds others, can have stood at the
// same time, had the threads been scheduled otherwise. What is ordered by the program itself is no danger:
//  - threads: one thread is at one place at a time. What it did before it created another is before all that the other
//    does; what the other did is before what comes after joining it. That one happened to end before the other started
//    is no order. Only the first and the last time of a chain are known, so only these two are judged.
//  - gates: a common lock that one of them excludes the other from.
//  - barriers: the one passed it after its moment, the other before.
//  - lives: an address means one lock from init to destroy.
// Creating, joining and barriers order also by way of other threads. Orders by semaphores, conditions and flags are not
// known here, nor is who created a thread without `creator`.
//
// A question costs the held locks of both; if the later thread was started, joined or passed a barrier between the two
// moments, and so did the earlier, also a search among what all threads did in between. That has a limit, for each
// question and for all: beyond it moments count as ordered, and `complete` is false. For one thread at a time.
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
  // False: a limit was met, moments that can meet may have counted as ordered.
  [[nodiscard]] bool complete() const { return complete_; }
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
    std::uint32_t thread = 0;
    std::uint64_t arrived_ns = 0;
    std::uint64_t left_ns = 0;
  };
  // What all threads passed at one barrier, by leaving.
  struct Passes {
    std::vector<Pass> all;
    std::vector<std::uint64_t> earliest_from;  // by pass: the first arrival of this and all that left later
  };
  // From here on, what the thread does is after something.
  struct Since {
    std::uint64_t time_ns = 0;
    std::uint32_t thread = 0;
    friend auto operator<=>(const Since&, const Since&) = default;
  };
  // What of one thread orders it with others.
  struct Ties {
    std::vector<Since> created;            // children, from their start; by time
    std::vector<Since> joined_by;          // joiners, from then on; by time
    std::vector<Pass> passes;              // by arrival
    std::vector<std::uint64_t> came_from;  // when it came to be after something of another; sorted
    std::vector<std::uint64_t> led_to;     // when another came to be after it, for a barrier its arrival; sorted
  };
  struct Gate {
    TracedLock lock;
    bool shared = false;
  };

  [[nodiscard]] bool share_gate(const OrderEvent& one, const OrderEvent& other) const;
  void tie_threads();
  [[nodiscard]] bool before(const OrderEvent& first, const OrderEvent& second) const;
  [[nodiscard]] bool leads_to(const Since& first, const Since& second) const;
  void follow(const Since& since, const Since& goal) const;
  void reach(const Since& since, const Since& goal) const;
  void count_work() const {
    ++work_;
    ++all_work_;
  }
  [[nodiscard]] bool one_life(const TracedLock& lock, std::uint64_t one_ns, std::uint64_t other_ns) const;

  const LockTrace& trace_;
  std::vector<std::size_t> first_gate_;  // by chain, into gates_
  std::vector<Gate> gates_;              // of each chain, by lock, the exclusive first
  std::vector<Ties> ties_;               // by thread
  std::unordered_map<TracedLock, Passes, TracedLockHash> barriers_;
  std::unordered_map<TracedLock, std::vector<std::uint64_t>, TracedLockHash> boundaries_;  // sorted
  std::unordered_map<TracedLock, std::uint64_t, TracedLockHash> initialised_;              // first

  // Of the search for an order, kept to spare allocations.
  mutable std::vector<std::uint64_t> known_;  // by thread: from when on it is after the start; kNever between searches
  mutable std::vector<std::uint32_t> reached_;
  mutable std::vector<Since> waiting_;  // a heap, the earliest first
  mutable std::size_t work_ = 0;        // of this search
  mutable std::size_t all_work_ = 0;
  mutable bool complete_ = true;
};

}  // namespace lockscope
