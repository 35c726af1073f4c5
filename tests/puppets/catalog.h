// SPDX-License-Identifier: Apache-2.0
// The scenarios: one table a family, each in the file of its scenarios. A new one is a function and a row.
#pragma once

#include <span>

#include "stage.h"

namespace puppet {

enum class Idle {
  allowed,    // other threads of the hanging processes change nothing about the hang
  forbidden,  // the hang is proved only where no other thread of the process can move
};

struct Scenario {
  const char* name;
  void (*play)(Stage&);  // in the root process; when it returns the root sleeps for good
  Idle inside = Idle::allowed;
};

[[nodiscard]] std::span<const Scenario> mutex_cycles();
[[nodiscard]] std::span<const Scenario> crowded_cycles();
[[nodiscard]] std::span<const Scenario> shared_mutex_cycles();
[[nodiscard]] std::span<const Scenario> file_lock_cycles();
[[nodiscard]] std::span<const Scenario> shared_file_lock_cycles();
[[nodiscard]] std::span<const Scenario> rwlock_cycles();
[[nodiscard]] std::span<const Scenario> join_and_child_cycles();
[[nodiscard]] std::span<const Scenario> self_deadlocks();
[[nodiscard]] std::span<const Scenario> absent_owners();
[[nodiscard]] std::span<const Scenario> mutex_traffic();
[[nodiscard]] std::span<const Scenario> handover_traffic();
[[nodiscard]] std::span<const Scenario> rwlock_traffic();
[[nodiscard]] std::span<const Scenario> file_lock_traffic();
[[nodiscard]] std::span<const Scenario> process_traffic();

[[nodiscard]] const Scenario* find_scenario(const char* name);
void list_scenarios();  // one name a line on standard output

}  // namespace puppet
