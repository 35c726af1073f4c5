// SPDX-License-Identifier: Apache-2.0
// Every detector, in a table: a new one is one new file that defines its entry, a line here and a line in catalog.cpp.
// Read by the pipeline, which makes one of each, and by what lists them (documentation, metrics).
#pragma once

#include <memory>
#include <span>

#include "lockscope/detector.h"

namespace lockscope {

enum class Level { sample, contention, full };  // what must be watched for this detector to see anything

struct CatalogEntry {
  const char* name;  // Finding::kind
  int cwe;
  Level level;
  const char* description;  // one line
  std::unique_ptr<Detector> (*make)();
};

extern const CatalogEntry kDeadlock;
extern const CatalogEntry kSelfDeadlock;
extern const CatalogEntry kAbandonedLock;
extern const CatalogEntry kLongHold;

[[nodiscard]] std::span<const CatalogEntry> detector_catalog();

}  // namespace lockscope
