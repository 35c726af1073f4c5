// SPDX-License-Identifier: Apache-2.0
// What the detectors of lock misuse have in common: one finding for all misuses of one kind, on locks of one class, in
// one function. Each detector says which of them count, and in what words. Linear in the misuses, but for a map.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "detect/catalog.h"
#include "detect/trace_wording.h"
#include "lockscope/detector.h"

namespace lockscope {

// The first misuse of a group, or the first that still waits, with the names that a sentence about it needs.
struct NamedMisuse {
  const LockMisuse& misuse;
  const TracedThread& thread;
  std::string where;        // "transfer()"; of a thread that ended: empty
  std::string lock;         // "g_accounts", "a lock made in cache_create+0x1c"
  std::uint64_t count = 0;  // of the group
};

using MisuseFilter = std::function<bool(const LockMisuse&)>;
using MisuseWords = std::function<void(const NamedMisuse&, Finding&)>;  // severity, summary, hint; further evidence

// Appends a finding for each group of misuses of this kind that `counts`.
void report_misuses(const TraceView& view, MisuseKind kind, const CatalogEntry& entry, const MisuseFilter& counts,
                    const MisuseWords& words, std::vector<Finding>& findings);

// Its own memory says who holds it; of others only what was traced does.
[[nodiscard]] bool names_its_owner(LockKind kind);
// ", which worker (1234/1236) holds"; empty: unknown.
[[nodiscard]] std::string name_owner(const LockTrace& trace, const LockMisuse& misuse);

}  // namespace lockscope
