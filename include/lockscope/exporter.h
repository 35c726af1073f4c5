// SPDX-License-Identifier: Apache-2.0
// Writes a finished Report somewhere. One folder each in exporters/, and a row in exporters/catalog.cpp.
#pragma once

#include <iosfwd>

#include "lockscope/report.h"

namespace lockscope {

struct ExportOptions {
  bool color = false;
  std::size_t width = 80;  // columns of the terminal; text only
  bool quiet = false;      // findings only
  bool all = false;        // also idle waits, one by one
};

class Exporter {
 public:
  virtual ~Exporter() = default;
  virtual void write(const Report& report, const ExportOptions& options, std::ostream& out) const = 0;
};

}  // namespace lockscope
