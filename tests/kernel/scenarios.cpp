// SPDX-License-Identifier: Apache-2.0
#include "tests/kernel/scenarios.h"

#include <algorithm>
#include <optional>
#include <sstream>

namespace lockscope::test {

const std::vector<std::string>& hanging_scenarios() {
  static const std::vector<std::string> names{
      "mutex_cycle_2",
      "mutex_cycle_3",
      "mutex_cycle_64",
      "recursive_cycle",
      "errorcheck_cycle",
      "adaptive_cycle",
      "robust_cycle",
      "pi_cycle",
      "pi_pair",
      "pi_ring",
      "priority_protect_cycle",
      "every_type_cycle",
      "c11_cycle",
      "c11_recursive_cycle",
      "std_mutex_cycle",
      "two_cycles",
      "two_cycles_in_two_processes",
      "cycle_with_victims",
      "cycle_joined_by_main",
      "timed_cycle",
      "robust_recovered_cycle",
      "shared_cycle",
      "shared_cycle_5",
      "shared_cycle_file",
      "shared_robust_cycle",
      "private_and_shared_cycle",
      "flock_cycle",
      "flock_cycle_3",
      "ofd_cycle",
      "ofd_range_cycle",
      "posix_flock_cycle",
      "flock_ofd_cycle",
      "flock_mutex_cycle",
      "hostile_names",
      "flock_heir_cycle",
      "flock_sharers_cycle",
      "flock_readers_cycle",
      "rwlock_write_cycle",
      "rwlock_read_cycle",
      "mutex_rwlock_cycle",
      "rwlock_upgrade",
      "rwlock_both_upgrade",
      "rwlock_readers_cycle",
      "rwlock_read_twice",
      "join_cycle",
      "join_cycle_3",
      "mutex_flock_join_cycle",
      "waitpid_flock_cycle",
      "waitid_flock_cycle",
      "pidfd_flock_cycle",
      "waitpid_mutex_cycle",
      "waitid_mutex_cycle",
      "pidfd_mutex_cycle",
      "self_mutex",
      "self_mutex_main_pauses",
      "self_robust",
      "self_pi",
      "self_flock",
      "exited_owner_all_wait",
      "exited_owner_main_pauses",
      "exited_pi_owner",
      "killed_owner_process",
      "robust_unmapped_owner",
      "fork_while_held",
      "stopped_flock_holder",
      "stopped_mutex_holder",
  };
  return names;
}

const std::vector<std::string>& innocent_scenarios() {
  static const std::vector<std::string> names{
      "recursive_nesting",
      "trylock_back_off",
      "ordered_churn",
      "moving_queue",
      "timeouts_that_end",
      "hand_over_hand",
      "mutex_memory_reused",
      "pi_handover",
      "mutex_as_signal",
      "mutex_as_signal_owner_gone",
      "semaphore_ping_pong",
      "barrier_rounds",
      "slow_once",
      "condition_pool",
      "pools_that_end",
      "rwlock_churn_readers_first",
      "rwlock_churn_writers_first",
      "flock_sharer_unlocks",
      "flock_alarm",
      "lock_file_queue",
      "holders_that_exit",
      "wait_for_any_child",
      "request_and_reply",
      "robust_survivors",
  };
  return names;
}

std::optional<nlohmann::json> report_by(SourceChoice source, std::vector<std::string> options) {
  const std::vector<std::string> choice = source_options(source);
  options.insert(options.end(), choice.begin(), choice.end());
  const Snapshot taken = take_snapshot(options);
  const auto judge = [&] {
    ASSERT_FALSE(taken.run.late) << "snapshot did not end";
    ASSERT_EQ(taken.run.status, 0) << taken.run.err;
    ASSERT_FALSE(taken.report.is_discarded()) << "no JSON: " << taken.run.out.substr(0, 400);
    if (taken.report["taken"]["source"] != name_of(source)) {
      GTEST_SKIP() << "feature BPF is missing here, as lockscope says: " << taken.run.err;
    }
  };
  judge();
  if (testing::Test::HasFatalFailure() || testing::Test::IsSkipped()) return {};
  return taken.report;
}

namespace {

TEST(Scenarios, AreAllUsed) {
  const Finished listed = run_command({puppet_program(), "--list"});
  ASSERT_EQ(listed.status, 0);
  std::vector<std::string> known = hanging_scenarios();
  known.insert(known.end(), innocent_scenarios().begin(), innocent_scenarios().end());
  std::vector<std::string> names;
  std::istringstream lines(listed.out);
  for (std::string name; std::getline(lines, name);) names.push_back(name);
  std::ranges::sort(known);
  std::ranges::sort(names);
  EXPECT_EQ(names, known);
}

}  // namespace
}  // namespace lockscope::test
