// SPDX-License-Identifier: Apache-2.0
// The findings of a stream of ticks, each once: by fingerprint, from when it was first seen to whether it still stands.
// Called by stream.cpp. Bounded: when full, the oldest that no longer stands goes, and is counted.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lockscope/report.h"

namespace lockscope {

class FindingLog {
 public:
  explicit FindingLog(std::size_t capacity = 4096) : capacity_(capacity) {}

  // The findings of one tick, as described then; `now` is its time of day. Gives the fingerprints not seen before, or
  // resolved in between: they fire.
  std::vector<std::string> update(std::vector<FindingDescription> findings, std::chrono::system_clock::time_point now);

  // All that were seen, with `first_seen` and `standing` set: what stands first, then by severity, then by age.
  [[nodiscard]] std::vector<FindingDescription> all() const;
  [[nodiscard]] const FindingDescription* find(const std::string& fingerprint) const;
  [[nodiscard]] std::uint64_t evicted() const { return evicted_; }

 private:
  struct Entry {
    FindingDescription finding;
    std::chrono::system_clock::time_point last_seen;
  };
  void make_room();

  std::size_t capacity_;
  std::uint64_t evicted_ = 0;
  std::map<std::string, Entry> entries_;
};

}  // namespace lockscope
