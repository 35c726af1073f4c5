// SPDX-License-Identifier: Apache-2.0
// From the id of a cgroup in the unified hierarchy to its path, unit and container. The id is the number of its folder
// in cgroup2, which the kernel opens by number for who has CAP_DAC_READ_SEARCH. A cgroup that is gone is remembered if
// it was asked for while it was there; else it is unknown. For src/attribution, one thread.
// Cost: about 3 us the first time, then a look-up; 4,096 are remembered, the longest known first to go.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "lockscope/facts.h"
#include "source/unique_fd.h"

namespace lockscope {

class CgroupIds {
 public:
  CgroupIds();  // finds where cgroup2 is mounted: alone, or beside the old hierarchies

  [[nodiscard]] const CgroupFacts* find(std::uint64_t id);

 private:
  [[nodiscard]] std::optional<CgroupFacts> ask(std::uint64_t id) const;

  UniqueFd mount_;
  std::string point_;
  std::map<std::uint64_t, std::optional<CgroupFacts>> known_;
  std::deque<std::uint64_t> order_;
};

}  // namespace lockscope
