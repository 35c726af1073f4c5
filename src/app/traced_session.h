// SPDX-License-Identifier: Apache-2.0
// The full level on some processes, from the first of them to the report: traces them, and looks at the host meanwhile
// so that a deadlock is told when it happens. For run and trace only, from one thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/finding_log.h"
#include "app/options.h"
#include "app/pipeline.h"
#include "app/self_test.h"
#include "app/sources.h"
#include "app/suppressions.h"
#include "attribution/attribution.h"
#include "lockscope/report.h"
#include "source/lock_tracer.h"

namespace lockscope {

class TracedSession {
 public:
  // Error unsupported: lock functions cannot be probed here. Error usage: the suppressions.
  [[nodiscard]] static Result<std::unique_ptr<TracedSession>> begin(const TraceOptions& options);

  [[nodiscard]] LockTracer& tracer() { return *tracer_; }

  // Waits until `other` can be read, something urgent was traced, or a tenth of a second has passed; then keeps up with
  // what is traced, and looks at the host when that is due. `fired`: a thread is stuck for good; the finding.
  [[nodiscard]] Result<void> step(int other, const std::function<void(const FindingDescription&)>& fired);

  // Everything: findings, what standing waits there are, and the lock profile.
  [[nodiscard]] Result<Report> report();

 private:
  explicit TracedSession(const TraceOptions& options);
  [[nodiscard]] Result<void> look(const std::function<void(const FindingDescription&)>& fired);
  void suppress(Report& report);

  using Clock = std::chrono::steady_clock;

  TraceOptions options_;
  Suppressions suppressions_;  // the user's
  Suppressions known_;         // default_suppressions.h
  std::unique_ptr<LockTracer> tracer_;
  std::unique_ptr<SelfTest> self_test_;
  ChosenSource chosen_;
  Judge judge_;
  Attribution attribution_;
  FindingLog stuck_;
  std::unique_ptr<Sample> before_;
  TrustedKinds trusted_;
  bool first_look_ = true;
  std::uint64_t began_ns_ = 0;
  std::uint64_t realtime_offset_ns_ = 0;
  Clock::time_point next_look_;
  Coverage coverage_;
};

}  // namespace lockscope
