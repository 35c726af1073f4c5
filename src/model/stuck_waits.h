// SPDX-License-Identifier: Apache-2.0
// The fixpoint: which waits can never end. Start from all waits that may be stuck, strike out each whose obstacles can
// all be removed by somebody who can still move, repeat. Assumes the vectors of compare_looks. Pure, linear in threads,
// obstacles and releasers. Used by wait_for_graph.cpp only.
#pragma once

#include <vector>

#include "lockscope/wait_for_graph.h"
#include "model/thread_index.h"

namespace lockscope {

struct StuckWaits {
  std::vector<bool> stuck;                 // by wait
  std::vector<std::vector<bool>> removed;  // by wait and obstacle: somebody can remove it
};

[[nodiscard]] StuckWaits find_stuck_waits(const Sample& sample, const ThreadIndex& index,
                                          const std::vector<bool>& standing, const std::vector<bool>& quiet,
                                          Strictness strictness);

}  // namespace lockscope
