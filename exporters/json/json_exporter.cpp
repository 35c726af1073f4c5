// SPDX-License-Identifier: Apache-2.0
#include "exporters/json/json_exporter.h"

#include "exporters/json/json_writer.h"
#include "exporters/json/report_writer.h"

namespace lockscope {

void JsonExporter::write(const Report& report, const ExportOptions&, std::ostream& out) const {
  JsonWriter json(out);
  ReportWriter(report, json).write_report();
}

}  // namespace lockscope
