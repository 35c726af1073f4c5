// SPDX-License-Identifier: Apache-2.0
// A detector judges what the model shows, and nothing else: no clock, no I/O, no state outside itself.
// One file each in src/detect/, and a row in src/detect/catalog.cpp. In a stream on_sample() is called once a tick.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "lockscope/facts.h"
#include "lockscope/finding.h"
#include "lockscope/lock_trace.h"
#include "lockscope/wait_for_graph.h"

namespace lockscope {

class LockTable;

// A wanted holder of locks: a backup, flock(1) in cron. Shell patterns as of fnmatch(3); a rule with several patterns
// allows only what matches them all. An empty pattern matches everything; a rule of empty patterns is an error.
struct AllowRule {
  std::string exe;   // of the holder
  std::string path;  // of the lock
  std::string unit;  // of the holder
};

struct Thresholds {
  std::chrono::nanoseconds long_hold{std::chrono::seconds{10}};
  bool long_hold_set = false;  // by the operator: then every hold that long is worth a finding
  std::chrono::nanoseconds starved{std::chrono::seconds{5}};  // kept from a lock this long: by an outsider, a hijack
  std::vector<AllowRule> allowed;                             // holders that are never called hijackers
};

// Two looks at one host, compared and solved once for all detectors.
struct SampleView {
  const Sample& sample;  // the later look
  const WaitForGraph& graph;
  WaitForGraph::Solution proof;
  WaitForGraph::Solution timeouts;
  WaitForGraph::Solution suspicion;
  const Thresholds& thresholds;
  const HostFacts& facts;
  // What the contention level has seen up to this look. Null where nothing was watched: in a single snapshot.
  const LockTable* locks = nullptr;
  const ContentionWindow* window = nullptr;  // of this tick; null as above
};

// What the full level saw, judged when a trace ends or is reported.
struct TraceView {
  const LockTrace& trace;
  TraceNames& names;
  const Thresholds& thresholds;
};

// Overrides what it judges by; most do one of the two.
class Detector {
 public:
  virtual ~Detector() = default;
  virtual void on_sample(const SampleView& /*view*/, std::vector<Finding>& /*findings*/) {}
  virtual void on_trace(const TraceView& /*view*/, std::vector<Finding>& /*findings*/) {}
};

}  // namespace lockscope
