// SPDX-License-Identifier: Apache-2.0
// The table of exporters: name -> factory. A new exporter is a folder beside this file and one row in catalog.cpp.
// For src/app only; costs nothing until an exporter is made.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "lockscope/exporter.h"

namespace lockscope {

struct ExporterEntry {
  std::string_view name;
  std::string_view purpose;  // one line for --help
  std::unique_ptr<Exporter> (*make)();
};

[[nodiscard]] std::span<const ExporterEntry> exporter_catalog();

// Null where no exporter has this name.
[[nodiscard]] std::unique_ptr<Exporter> make_exporter(std::string_view name);

}  // namespace lockscope
