// SPDX-License-Identifier: Apache-2.0
// The locks that were contended while lockscope watched, as a table with their histograms drawn, and what counting
// cost. At most about 70 lines. For exporters/text only.
#pragma once

#include <string>

#include "exporters/text/painter.h"
#include "lockscope/report.h"

namespace lockscope {

void show_contention(const ContentionDescription& contention, Painter& painter);

// Buckets first to last (included, and not beyond kBuckets) as bars from ▁ to █; a space where nothing fell into.
[[nodiscard]] std::string draw_histogram(const WaitHistogram& histogram, std::size_t first, std::size_t last);

}  // namespace lockscope
