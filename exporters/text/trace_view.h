// SPDX-License-Identifier: Apache-2.0
// What a finding of the full level rests on, as people read it: the orders in which locks were taken, drawn as a ring,
// and the calls that went wrong, one below the other. At most about 70 lines each. For exporters/text only.
#pragma once

#include <span>

#include "exporters/text/painter.h"
#include "lockscope/report.h"

namespace lockscope {

// Each order wants what the next one took, and the last what the first took.
void show_orders(std::span<const LockOrderDescription> orders, Painter& painter);

// The lock is named only where it is not that of the finding, which stands above.
void show_events(const FindingDescription& finding, Painter& painter);

}  // namespace lockscope
