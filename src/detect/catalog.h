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
  bool on_request = false;  // judges what may happen, not what does: run by a command of its own only
};

extern const CatalogEntry kDeadlock;
extern const CatalogEntry kSelfDeadlock;
extern const CatalogEntry kAbandonedLock;
extern const CatalogEntry kLongHold;
extern const CatalogEntry kExposedLock;
extern const CatalogEntry kTakenLockName;
extern const CatalogEntry kLockHijack;
extern const CatalogEntry kStarvation;
extern const CatalogEntry kLockConvoy;
extern const CatalogEntry kPriorityInversion;
extern const CatalogEntry kIgnoredLockFailure;
extern const CatalogEntry kUnlockedWrite;
extern const CatalogEntry kLockOrderInversion;
extern const CatalogEntry kUnlockNotLocked;
extern const CatalogEntry kDoubleUnlock;
extern const CatalogEntry kUnlockNotOwner;
extern const CatalogEntry kRelock;
extern const CatalogEntry kDestroyedWhileLocked;
extern const CatalogEntry kExitWhileHolding;
extern const CatalogEntry kIgnoredLockFailureTrace;
extern const CatalogEntry kTracedLongHold;

[[nodiscard]] std::span<const CatalogEntry> detector_catalog();

}  // namespace lockscope
