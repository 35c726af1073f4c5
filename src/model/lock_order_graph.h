// SPDX-License-Identifier: Apache-2.0
// The lock-order graph: which lock was ever asked for while which other was held, and the cycles in it that may become
// a deadlock. A cycle counts only if its edges can stand at one time (order_events.h), each taken by another thread,
// and if each lock of it blocks. It closes on locks; two edges alone also on classes, where both join the same two
// members of two objects of one shape, in opposite orders.
//
// Assumes nothing of the trace: what is out of range makes no edge, nor does a truncated chain, which may hide a gate.
// Nor does an edge from one lock to another of its class at one call site, where memory may have been used again: such
// is a walk along a list, whose nodes are freed and made anew in another order.
//
// Cost: strongly connected components first, in linear time. Within them cycles are sought shortest first, to a limit
// of work: what lies beyond it is missed, and said to be (`complete`). Called by the detector lock_order_inversion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lockscope/finding.h"
#include "lockscope/lock_trace.h"

namespace lockscope {

struct OrderCycle {
  std::vector<TraceOrder> orders;  // of each edge one occurrence; by different threads
  bool one_place = true;           // false: members of two objects
  // Each lock is surely one and the same throughout: a symbol, or set up by a call that was seen.
  bool sure = false;
  std::vector<std::uint64_t> counts;   // by edge: how often it was taken, by all threads
  std::vector<std::uint64_t> threads;  // by edge: how many threads took it
};

struct OrderCycles {
  std::vector<OrderCycle> cycles;  // shortest first; each has an order of classes that those before it have not
  bool complete = true;            // false: there may be more
};

inline constexpr std::size_t kMostOrderCycles = 64;

[[nodiscard]] OrderCycles find_order_cycles(const LockTrace& trace, TraceNames& names,
                                            std::size_t limit = kMostOrderCycles);

}  // namespace lockscope
