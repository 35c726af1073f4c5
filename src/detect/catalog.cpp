// SPDX-License-Identifier: Apache-2.0
#include "detect/catalog.h"

#include <array>

namespace lockscope {

std::span<const CatalogEntry> detector_catalog() {
  static const std::array entries{
      kDeadlock,           kSelfDeadlock,  kAbandonedLock,        kLongHold,         kExposedLock,
      kTakenLockName,      kLockHijack,    kStarvation,           kLockConvoy,       kPriorityInversion,
      kIgnoredLockFailure, kUnlockedWrite, kLockOrderInversion,   kUnlockNotLocked,  kDoubleUnlock,
      kUnlockNotOwner,     kRelock,        kDestroyedWhileLocked, kExitWhileHolding, kIgnoredLockFailureTrace,
      kTracedLongHold};
  return entries;
}

}  // namespace lockscope
