// SPDX-License-Identifier: Apache-2.0
// The lock profile of the full level: what the locks of each class cost, in which places of the code, and which threads
// paid for it. At most about 130 lines. For exporters/text only.
#pragma once

#include "exporters/text/painter.h"
#include "lockscope/report.h"

namespace lockscope {

void show_profile(const ProfileDescription& profile, Painter& painter);

}  // namespace lockscope
