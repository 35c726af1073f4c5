// SPDX-License-Identifier: Apache-2.0
// What detectors report. Indices point into the Sample that the finding was made from; the pipeline turns them into the
// plain descriptions of report.h before anybody else sees them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lockscope/contention.h"
#include "lockscope/sample.h"

namespace lockscope {

enum class Severity { notice, warning, critical };  // ordered: --fail-on compares
[[nodiscard]] const char* name_of(Severity severity);

enum class Confidence { likely, confirmed };
[[nodiscard]] const char* name_of(Confidence confidence);

using Fact = std::variant<bool, std::int64_t, std::string>;

// Somebody whose tries to take a lock keep failing at once, so that no wait of theirs is ever seen.
struct FailingTries {
  Actor actor;  // the latest to try, where one starts after the other
  std::uint64_t tries = 0;
  std::uint64_t first_ns = 0;  // CLOCK_BOOTTIME
  std::uint64_t last_ns = 0;
};

struct LockReference {
  LockKind kind = LockKind::futex;
  ContendedLock lock;
};

// One edge of a lock order: of LockTrace::chains[chain] the lock held[held], then the one wanted.
struct TraceOrder {
  std::size_t chain = 0;
  std::size_t held = 0;
  friend bool operator==(const TraceOrder&, const TraceOrder&) = default;
};

struct Finding {
  const char* kind = "";  // from the catalog of src/detect/catalog.h
  int cwe = 0;
  Severity severity = Severity::warning;
  Confidence confidence = Confidence::confirmed;
  std::string fingerprint;  // 16 hex digits; the same thing found again has the same
  std::string summary;      // one sentence; names are raw, exporters escape
  std::string hint;
  std::vector<std::size_t> cycle;    // waits, in waiting order
  std::vector<std::size_t> victims;  // waits behind it
  std::vector<std::size_t> waiters;  // waits, where there is one lock and no cycle
  // Where the lock and its holders are not those of the first waiter, or nobody waits:
  std::optional<LockReference> lock;
  std::vector<pid_t> holders;  // processes
  std::vector<FailingTries> failing;
  // Findings of the full level: indices into the LockTrace.
  std::vector<TraceOrder> orders;  // a cycle: what the one wants, the next holds, and the first holds what the last wants
  std::optional<std::size_t> misuse;
  std::optional<std::size_t> traced_hold;  // LockTrace::long_holds
  std::optional<std::uint64_t> age_ns;
  std::vector<std::pair<std::string, Fact>> evidence;
};

}  // namespace lockscope
