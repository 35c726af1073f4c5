// SPDX-License-Identifier: Apache-2.0
// What a finding rests on: a block of aligned lines where the facts tell a story (who holds a lock against whom, how it
// can be reached, since when), the rest in one sentence. For exporters/text only.
#pragma once

#include "exporters/text/painter.h"
#include "lockscope/report.h"

namespace lockscope {

void show_evidence(const FindingDescription& finding, Painter& painter);

}  // namespace lockscope
