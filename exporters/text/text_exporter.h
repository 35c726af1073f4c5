// SPDX-License-Identifier: Apache-2.0
// The report for people in an incident: findings first, then who waits for whom, then what was not seen. Every string
// of a watched process is escaped; the length is bounded however large the host is. About 1 us a wait.
#pragma once

#include "lockscope/exporter.h"

namespace lockscope {

class TextExporter final : public Exporter {
 public:
  void write(const Report& report, const ExportOptions& options, std::ostream& out) const override;
};

}  // namespace lockscope
