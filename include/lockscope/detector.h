// SPDX-License-Identifier: Apache-2.0
// A detector judges what the model shows, and nothing else: no clock, no I/O, no state outside itself.
// One file each in src/detect/, and a row in src/detect/catalog.cpp.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "lockscope/finding.h"
#include "lockscope/wait_for_graph.h"

namespace lockscope {

struct Thresholds {
  std::chrono::nanoseconds long_hold{std::chrono::seconds{10}};
  bool long_hold_set = false;  // by the operator: then every hold that long is worth a finding
};

// Two looks at one host, compared and solved once for all detectors.
struct SampleView {
  const Sample& sample;  // the later look
  const WaitForGraph& graph;
  WaitForGraph::Solution proof;
  WaitForGraph::Solution timeouts;
  WaitForGraph::Solution suspicion;
  Thresholds thresholds;
};

class Detector {
 public:
  virtual ~Detector() = default;
  virtual void on_sample(const SampleView& view, std::vector<Finding>& findings) = 0;
};

}  // namespace lockscope
