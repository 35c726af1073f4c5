// SPDX-License-Identifier: Apache-2.0
// Wait chains as trees, holder at the root, and the waits whose holder is not known as counts. Wide fans, deep chains
// and long lists are cut, with the count of what is not shown: at most about 150 lines. For exporters/text only.
#pragma once

#include "exporters/text/painter.h"
#include "exporters/text/wait_forest.h"

namespace lockscope {

// False, and nothing written, where nobody waits for a known holder.
bool show_chains(const WaitForest& forest, Painter& painter);

// One line a process and lock.
void list_unknown(const WaitForest& forest, Painter& painter);

}  // namespace lockscope
