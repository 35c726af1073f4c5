// SPDX-License-Identifier: Apache-2.0
// Every hang of the puppet is found as what it is: kind, confidence, threads, locks, order, victims, and nothing else
// is said of its processes. Each hang stands before lockscope starts.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ostream>

#include "tests/kernel/scenarios.h"

namespace lockscope::test {
namespace {

using nlohmann::json;

struct Staging {
  const char* name;
  std::vector<std::string> options;
  bool heavy = false;  // left out where LOCKSCOPE_SLOW_HOST is set
};

struct Hang {
  std::string scenario;
  SourceChoice source;
  Staging staging;
};

void PrintTo(const Hang& hang, std::ostream* out) { *out << hang.scenario; }

std::string name_of_hang(const testing::TestParamInfo<Hang>& info) {
  return info.param.scenario + '_' + name_of(info.param.source) + '_' + info.param.staging.name;
}

const Staging kPlain{"plain", {}};
const Staging kBelow1{"pidns1", {"--pidns", "1"}};
const Staging kBelow2{"pidns2", {"--pidns", "2"}};
const Staging kIdleInside{"idle_inside", {"--idle-inside", "300"}};
const Staging kIdleAround{"idle_5000", {"--idle-threads", "5000"}, true};

std::vector<json> expected_of(const json& truth) {
  std::vector<json> expected{truth};
  expected.insert(expected.end(), truth["others"].begin(), truth["others"].end());
  return expected;
}

// Each expected finding has its match and none is left over; otherwise what is wrong.
std::string mismatch(const std::vector<json>& expected, std::vector<json> found) {
  for (const json& truth : expected) {
    std::string reasons;
    const auto match = std::ranges::find_if(found, [&](const json& finding) {
      const std::string differs = difference(truth, finding);
      if (!differs.empty()) reasons += "\n  " + differs + ", in: " + finding.value("summary", "");
      return differs.empty();
    });
    if (match == found.end()) return "not found: " + truth["expect"].dump() + reasons;
    found.erase(match);
  }
  return found.empty() ? "" : "found besides: " + found.front().dump(1);
}

// A hold is long only once it is old: the one thing that a second look can change.
bool needs_age(const json& truth) { return truth["expect"]["kind"] == "long_hold"; }

// File locks and locks whose owner's number is nobody's are proved only by one who can look into every process. Where
// even root may not (a container, another security module), /proc shows less than BPF, and lockscope says so.
bool needs_every_process(const std::string& scenario) {
  return scenario.contains("flock") || scenario.contains("ofd") || scenario == "hostile_names" ||
         scenario == "killed_owner_process" || scenario == "robust_unmapped_owner";
}

// Where glibc has parked a thread because the kernel refused it a PI mutex, only a register still names the mutex.
bool needs_registers(const std::string& scenario) {
  return scenario == "pi_pair" || scenario == "self_pi" || scenario == "exited_pi_owner";
}

// What /proc cannot tell here; empty: everything.
std::string missing_feature(const Hang& hang, const json& report) {
  if (hang.source == SourceChoice::bpf) return {};
  if (needs_registers(hang.scenario)) return "registers of other threads (BPF task iterator)";
  if (needs_every_process(hang.scenario) && report["coverage"]["unreadable"] > 0) return "every process readable";
  return {};
}

class Hangs : public testing::TestWithParam<Hang> {};

TEST_P(Hangs, AreFoundAsWhatTheyAre) {
  const Hang& hang = GetParam();
  if (hang.staging.heavy && std::getenv("LOCKSCOPE_SLOW_HOST") != nullptr) {
    GTEST_SKIP() << "5,000 threads are left out, LOCKSCOPE_SLOW_HOST is set";
  }
  const Puppet puppet(hang.scenario, hang.staging.options);
  const bool ages = needs_age(puppet.truth());
  const auto options = ages ? std::vector<std::string>{"--long-hold", "50ms"} : std::vector<std::string>{};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::string wrong;
  do {
    const auto report = report_by(hang.source, options);
    if (!report) return;
    const auto found = findings_about(*report, puppet);
    wrong = mismatch(expected_of(puppet.truth()), found);
    const std::string missing = missing_feature(hang, *report);
    if (found.empty() && !missing.empty()) GTEST_SKIP() << "feature missing, so nothing is claimed: " << missing;
  } while (ages && !wrong.empty() && std::chrono::steady_clock::now() < deadline);
  EXPECT_EQ(wrong, "") << "truth: " << puppet.truth().dump();
}

std::vector<Hang> staged(const std::vector<std::string>& scenarios, const Staging& staging) {
  std::vector<Hang> hangs;
  for (const std::string& scenario : scenarios) {
    for (const SourceChoice source : {SourceChoice::bpf, SourceChoice::proc}) {
      hangs.push_back({scenario, source, staging});
    }
  }
  return hangs;
}

INSTANTIATE_TEST_SUITE_P(Plain, Hangs, testing::ValuesIn(staged(hanging_scenarios(), kPlain)), name_of_hang);
INSTANTIATE_TEST_SUITE_P(BelowOne, Hangs, testing::ValuesIn(staged(hanging_scenarios(), kBelow1)), name_of_hang);
INSTANTIATE_TEST_SUITE_P(BelowTwo, Hangs,
                         testing::ValuesIn(staged({"mutex_cycle_3", "robust_cycle", "pi_cycle", "shared_cycle",
                                                   "flock_mutex_cycle", "join_cycle", "waitpid_mutex_cycle",
                                                   "rwlock_write_cycle", "ofd_cycle", "self_mutex"},
                                                  kBelow2)),
                         name_of_hang);
INSTANTIATE_TEST_SUITE_P(CrowdInside, Hangs,
                         testing::ValuesIn(staged({"mutex_cycle_2", "pi_cycle", "rwlock_write_cycle", "join_cycle",
                                                   "shared_cycle", "cycle_with_victims"},
                                                  kIdleInside)),
                         name_of_hang);
INSTANTIATE_TEST_SUITE_P(CrowdAround, Hangs,
                         testing::ValuesIn(staged({"mutex_cycle_64", "flock_mutex_cycle", "exited_owner_main_pauses",
                                                   "waitpid_flock_cycle"},
                                                  kIdleAround)),
                         name_of_hang);

// The same numbers, twice: two namespaces whose threads call themselves alike.
TEST(Namespaces, WithEqualNumbersAreToldApart) {
  const Puppet first("shared_cycle", {"--pidns", "1"});
  const Puppet second("mutex_cycle_2", {"--pidns", "1"});
  const Puppet third("shared_cycle", {"--pidns", "1"});
  for (const SourceChoice source : {SourceChoice::bpf, SourceChoice::proc}) {
    const auto report = report_by(source);
    if (!report) return;
    for (const Puppet* puppet : {&first, &second, &third}) {
      EXPECT_EQ(mismatch(expected_of(puppet->truth()), findings_about(*report, *puppet)), "") << name_of(source);
    }
  }
}

class Sources : public testing::TestWithParam<std::string> {};

// Threads and locks of a cycle, from its smallest tid on.
json comparable(json finding) {
  json cycle = json::array();
  for (const json& wait : finding.value("cycle", json::array())) {
    cycle.push_back({{"tid", wait["thread"]["tid"]}, {"lock", wait["lock"]}});
  }
  const auto first = std::ranges::min_element(cycle, {}, [](const json& wait) { return wait["tid"].get<int>(); });
  std::ranges::rotate(cycle, first);
  return {{"kind", finding["kind"]},
          {"confidence", finding["confidence"]},
          {"fingerprint", finding["fingerprint"]},
          {"cycle", cycle}};
}

TEST_P(Sources, AgreeOnTheSameHang) {
  const Puppet puppet(GetParam());
  const auto by_bpf = report_by(SourceChoice::bpf);
  if (!by_bpf) return;
  const auto by_proc = report_by(SourceChoice::proc);
  if (!by_proc) return;
  const auto bpf = findings_about(*by_bpf, puppet);
  const auto proc = findings_about(*by_proc, puppet);
  ASSERT_EQ(bpf.size(), 1U);
  const std::string missing = missing_feature({GetParam(), SourceChoice::proc, kPlain}, *by_proc);
  if (proc.empty() && !missing.empty()) GTEST_SKIP() << "feature missing, so nothing is claimed: " << missing;
  ASSERT_EQ(proc.size(), 1U);
  EXPECT_EQ(comparable(bpf[0]), comparable(proc[0]));
}

INSTANTIATE_TEST_SUITE_P(Hangs, Sources,
                         testing::Values("mutex_cycle_3", "pi_cycle", "shared_cycle_5", "flock_cycle_3", "ofd_cycle",
                                         "posix_flock_cycle", "mutex_flock_join_cycle", "pidfd_flock_cycle",
                                         "rwlock_both_upgrade", "self_mutex", "killed_owner_process", "timed_cycle"),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace lockscope::test
