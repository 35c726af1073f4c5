// SPDX-License-Identifier: Apache-2.0
// What the search of lock_hijack.cpp hands to the wording in lock_hijack_report.cpp. Nobody else's.
#pragma once

#include <cstdint>
#include <vector>

#include "detect/catalog.h"
#include "lockscope/lock_table.h"
#include "model/trust.h"

namespace lockscope {

// One lock, held by one domain of trust against another.
struct HijackCase {
  ContendedLock lock;
  LockKind kind = LockKind::futex;
  std::vector<pid_t> holders;  // ascending
  Domain holder;               // of the pair that stands furthest apart
  Domain victim;
  pid_t victim_pid = 0;  // somebody of `victim`; may have ended
  TrustGap gap;
  std::vector<std::size_t> waits;
  std::vector<LockTable::FailingVictim> failing;
  std::uint64_t starved_ns = 0;  // the longest
  Evidence evidence = Evidence::unknown;
  bool confirmed = false;
  bool held_now = true;  // false: nobody holds it at this moment, but the holders take it again and again
};

[[nodiscard]] Finding report_hijack(const SampleView& view, const HijackCase& found);

// Whether an operator's rule allows this process to hold this lock.
[[nodiscard]] bool is_allowed(const SampleView& view, const ContendedLock& lock, pid_t holder);

}  // namespace lockscope
