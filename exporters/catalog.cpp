// SPDX-License-Identifier: Apache-2.0
#include "exporters/catalog.h"

#include <array>

#include "exporters/json/json_exporter.h"
#include "exporters/text/text_exporter.h"

namespace lockscope {

namespace {

template <class T>
std::unique_ptr<Exporter> make() {
  return std::make_unique<T>();
}

constexpr std::array kCatalog{
    ExporterEntry{"json", "one report object, lockscope.report/1", &make<JsonExporter>},
    ExporterEntry{"text", "findings and wait chains for people", &make<TextExporter>},
};

}  // namespace

std::span<const ExporterEntry> exporter_catalog() { return kCatalog; }

std::unique_ptr<Exporter> make_exporter(std::string_view name) {
  for (const ExporterEntry& entry : kCatalog) {
    if (entry.name == name) return entry.make();
  }
  return nullptr;
}

}  // namespace lockscope
