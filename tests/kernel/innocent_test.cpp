// SPDX-License-Identifier: Apache-2.0
// Nothing is said of those who only wait a while. Repeats: LOCKSCOPE_INNOCENT_LOOKS (20), LOCKSCOPE_CHURN_LOOKS (300).
#include <gtest/gtest.h>

#include <chrono>
#include <ostream>
#include <thread>

#include "tests/kernel/scenarios.h"

namespace lockscope::test {
namespace {

struct Innocent {
  std::string scenario;
  SourceChoice source;
};

void PrintTo(const Innocent& innocent, std::ostream* out) { *out << innocent.scenario; }

class Innocents : public testing::TestWithParam<Innocent> {};

// Looks again and again; the puppet must still be moving at the end, or it proved nothing.
void look_at(Puppet& puppet, SourceChoice source, int looks) {
  const std::int64_t before = puppet.progress();
  for (int i = 0; i < looks; ++i) {
    const auto report = report_by(source);
    if (!report) return;
    const auto found = findings_about(*report, puppet);
    ASSERT_TRUE(found.empty()) << "in look " << i << ": " << found.front().dump(1);
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (puppet.progress() == before && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_GT(puppet.progress(), before) << "it does not move";
}

TEST_P(Innocents, AreNotAccused) {
  Puppet puppet(GetParam().scenario);
  const int looks = number_from_environment("LOCKSCOPE_INNOCENT_LOOKS", 20);
  look_at(puppet, GetParam().source, GetParam().source == SourceChoice::bpf ? looks : (looks + 3) / 4);
}

std::vector<Innocent> all() {
  std::vector<Innocent> innocents;
  for (const std::string& scenario : innocent_scenarios()) {
    for (const SourceChoice source : {SourceChoice::bpf, SourceChoice::proc}) innocents.push_back({scenario, source});
  }
  return innocents;
}

INSTANTIATE_TEST_SUITE_P(All, Innocents, testing::ValuesIn(all()),
                         [](const auto& param) { return param.param.scenario + '_' + name_of(param.param.source); });

TEST(OrderedChurn, IsNeverADeadlock) {
  Puppet puppet("ordered_churn");
  look_at(puppet, SourceChoice::bpf, number_from_environment("LOCKSCOPE_CHURN_LOOKS", 300));
}

// The two looks as close together as they get: the hardest place for a proof.
TEST(OrderedChurn, IsNeverADeadlockWithoutAPause) {
  Puppet puppet("ordered_churn");
  const int looks = number_from_environment("LOCKSCOPE_INNOCENT_LOOKS", 20);
  for (int i = 0; i < looks; ++i) {
    for (const SourceChoice source : {SourceChoice::bpf, SourceChoice::proc}) {
      const auto report = report_by(source, {"--confirm", "1ms"});
      if (!report) return;
      ASSERT_TRUE(findings_about(*report, puppet).empty()) << report->at("findings").dump(1);
    }
  }
}

}  // namespace
}  // namespace lockscope::test
