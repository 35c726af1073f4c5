// SPDX-License-Identifier: Apache-2.0
// Who is stuck for good, in which knots, and who stands behind them. Pure: no clock, no kernel, no recursion. Built by
// the pipeline from two looks, read by the detectors. Implementation: src/model/.
//
// Method. A wait ends when each of its obstacles is removed by one of those who can (all-of over any-of). Start from
// all threads whose wait stands, strike out each that could still move, repeat until nothing changes: what remains is
// the greatest fixpoint, the threads that can never move again (Knapp, "Deadlock detection in distributed databases",
// ACM Computing Surveys 19(4), 1987: the AND-OR model). Knots are the strongly connected components of what remains
// (Tarjan 1972). Linear in threads and edges.
#pragma once

#include <cstdint>
#include <vector>

#include "lockscope/sample.h"

namespace lockscope {

enum class Strictness {
  proof,     // only what can never move again; a wait with a timeout can
  timeouts,  // as if waits had no timeout: what is stuck until a timeout strikes
  // Proof, but idle threads do not count: where any thread of a process could help and one of its threads is stuck,
  // those that sleep without timeout, did not run between the looks, and wait for nobody who is awake. Not for locks
  // whose holder neither memory nor kernel names (readers): any sleeper may be the reader.
  suspicion,
};

struct Knot {
  std::vector<std::size_t> cycle;    // waits of a shortest cycle through the knot, in waiting order, first thread first
  std::vector<std::size_t> members;  // all waits of the knot, the cycle's first
  std::vector<std::size_t> victims;  // waits outside all knots that can only end after this one, the nearest first
};

// A stuck wait that no stuck thread could end: the owner of the lock is gone, or is inert.
struct DeadEnd {
  std::size_t wait = 0;
  std::vector<std::size_t> victims;  // waits outside all knots that can only end after this one, the nearest first
};

class WaitForGraph {
 public:
  // `now` is the later look. `standing[i]` says that now.waits[i] was already there, unchanged, in the earlier look:
  // same thread, same wait, did not run in between, and every obstacle is the same. A wait that does not stand is
  // taken to move. `quiet[t]` says of raw.threads[t] that it did not run between the looks and waits without timeout.
  WaitForGraph(const Sample& now, std::vector<bool> standing, std::vector<bool> quiet);

  struct Solution {
    std::vector<bool> stuck;  // by wait
    std::vector<Knot> knots;  // sorted by their first thread
    std::vector<DeadEnd> dead_ends;
  };
  [[nodiscard]] Solution solve(Strictness strictness) const;

  [[nodiscard]] const Sample& sample() const { return *now_; }
  [[nodiscard]] bool standing(std::size_t wait) const { return standing_[wait]; }

 private:
  const Sample* now_;
  std::vector<bool> standing_;
  std::vector<bool> quiet_;
};

// The standing and quiet vectors for the constructor, from two looks at one host.
struct Comparison {
  std::vector<bool> standing;
  std::vector<bool> quiet;
};
[[nodiscard]] Comparison compare_looks(const Sample& before, const Sample& now);

}  // namespace lockscope
