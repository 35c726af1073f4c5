// SPDX-License-Identifier: Apache-2.0
#include "catalog.h"

#include <stdio.h>
#include <string.h>

namespace puppet {
namespace {

constexpr std::span<const Scenario> (*kFamilies[])() = {
    mutex_cycles,     crowded_cycles,        shared_mutex_cycles, file_lock_cycles, shared_file_lock_cycles,
    rwlock_cycles,    join_and_child_cycles, self_deadlocks,      absent_owners,    mutex_traffic,
    handover_traffic, rwlock_traffic,        file_lock_traffic,   process_traffic,
};

}  // namespace

const Scenario* find_scenario(const char* name) {
  for (const auto family : kFamilies) {
    for (const Scenario& scenario : family()) {
      if (strcmp(scenario.name, name) == 0) return &scenario;
    }
  }
  return nullptr;
}

void list_scenarios() {
  for (const auto family : kFamilies) {
    for (const Scenario& scenario : family()) puts(scenario.name);
  }
}

}  // namespace puppet
