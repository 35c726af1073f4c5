// SPDX-License-Identifier: Apache-2.0
// One finding as people read it: badge, summary, the cycle drawn as a ring or the lock with its holders and waiters,
// the threads behind it, what to do. At most about 100 lines however large the finding is. For exporters/text only.
#pragma once

#include <string>

#include "exporters/text/painter.h"
#include "lockscope/report.h"

namespace lockscope {

void show_finding(const FindingDescription& finding, Painter& painter);

// Badge, kind and summary on a line or two: for those that are too many to be drawn.
void show_finding_briefly(const FindingDescription& finding, Painter& painter);

}  // namespace lockscope
