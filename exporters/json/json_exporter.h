// SPDX-License-Identifier: Apache-2.0
// The report as JSON, `lockscope.report/1`: docs/report.schema.json is its definition, tests hold every output against
// it. What is unknown is absent. Bounded memory whatever the length of the report; about 10 us a wait.
#pragma once

#include "lockscope/exporter.h"

namespace lockscope {

class JsonExporter final : public Exporter {
 public:
  void write(const Report& report, const ExportOptions& options, std::ostream& out) const override;
};

}  // namespace lockscope
