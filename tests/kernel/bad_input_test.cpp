// SPDX-License-Identifier: Apache-2.0
// Wrong usage, missing privilege and hostile names: a clear word and the exit status of the contract.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <ostream>

#include "tests/kernel/scenarios.h"

namespace lockscope::test {
namespace {

using nlohmann::json;

constexpr uid_t kNobody = 65534;

Finished run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), lockscope_program());
  return run_command(arguments);
}

struct Wrong {
  const char* name;
  std::vector<std::string> arguments;
  const char* word;  // what the message must name
};

void PrintTo(const Wrong& wrong, std::ostream* out) { *out << wrong.name; }

class WrongUsage : public testing::TestWithParam<Wrong> {};

TEST_P(WrongUsage, IsSaidAndIsStatus2) {
  const Finished finished = run(GetParam().arguments);
  EXPECT_EQ(finished.status, 2) << finished.err;
  EXPECT_EQ(finished.out, "");
  EXPECT_NE(finished.err.find(GetParam().word), std::string::npos) << finished.err;
}

INSTANTIATE_TEST_SUITE_P(
    All, WrongUsage,
    testing::Values(Wrong{"no_command", {}, "ubcommand"}, Wrong{"unknown_command", {"frobnicate"}, "frobnicate"},
                    Wrong{"unknown_option", {"snapshot", "--frobnicate"}, "--frobnicate"},
                    Wrong{"wrong_unit", {"snapshot", "--confirm", "5x"}, "5x"},
                    Wrong{"no_number", {"snapshot", "--confirm", "ms"}, "ms"},
                    Wrong{"negative_time", {"snapshot", "--confirm", "-5ms"}, "--confirm"},
                    Wrong{"endless_time", {"snapshot", "--confirm", "99999999999999999999s"}, "--confirm"},
                    Wrong{"no_value", {"snapshot", "--confirm"}, "--confirm"},
                    Wrong{"pid_no_number", {"snapshot", "--pid", "self"}, "--pid"},
                    Wrong{"pid_zero", {"snapshot", "--pid", "0"}, "--pid"},
                    Wrong{"pid_not_there", {"snapshot", "--pid", "2147483646"}, "2147483646"},
                    Wrong{"severity", {"snapshot", "--fail-on", "doom"}, "doom"}),
    [](const auto& param) { return std::string(param.param.name); });

// lockscope where nobody can run it, whoever built it and wherever.
class Unprivileged : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs CAP_SETUID";
    program_ = folder_.path() + "/lockscope";
    std::filesystem::copy_file(lockscope_program(), program_);
    ::chmod(program_.c_str(), 0755);
  }
  [[nodiscard]] Snapshot look(const std::vector<std::string>& options) const {
    return take_snapshot(options, {.uid = kNobody}, program_);
  }
  TemporaryFolder folder_;
  std::string program_;
};

TEST_F(Unprivileged, SeesItsOwnProcessesAndSaysSo) {
  const Puppet own("mutex_cycle_3", {}, kNobody);
  const Puppet foreign("mutex_cycle_2");
  for (const bool asked : {false, true}) {
    const Snapshot taken = look(asked ? std::vector<std::string>{"--no-bpf"} : std::vector<std::string>{});
    ASSERT_EQ(taken.run.status, 0) << taken.run.err;
    ASSERT_FALSE(taken.report.is_discarded());
    EXPECT_EQ(taken.report["taken"]["source"], "proc");
    EXPECT_NE(taken.run.err, "") << "nothing is said about what is missing";
    const auto found = findings_about(taken.report, own);
    ASSERT_EQ(found.size(), 1U) << taken.run.err;
    EXPECT_EQ(difference(own.truth(), found[0]), "");
    EXPECT_TRUE(findings_about(taken.report, foreign).empty());
    EXPECT_GT(taken.report["coverage"]["unreadable"], 0);
  }
}

bool is_line_break_or_printable(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return c == '\n' || (byte >= 0x20 && byte != 0x7f);
}

TEST(HostileNames, DoNotReachTheTerminal) {
  const Puppet puppet("hostile_names");
  for (const SourceChoice source : {SourceChoice::bpf, SourceChoice::proc}) {
    std::vector<std::string> arguments{"snapshot"};
    for (const std::string& option : source_options(source)) arguments.push_back(option);
    const Finished finished = run(arguments);
    ASSERT_EQ(finished.status, 0) << finished.err;
    ASSERT_FALSE(take_snapshot(source_options(source)).report.is_discarded()) << "no valid JSON";
    for (const std::string& text : {finished.out, finished.err}) {
      EXPECT_TRUE(std::ranges::all_of(text, is_line_break_or_printable)) << json(text).dump();
      EXPECT_EQ(text.find("evil\n"), std::string::npos) << text;
    }
    EXPECT_NE(finished.out.find("evil"), std::string::npos) << finished.out;
  }
}

// Processes come and go while they are read.
TEST(DyingProcesses, AreNoError) {
  const Puppet forking("holders_that_exit");
  const Puppet killing("robust_survivors");
  const Puppet ending("pools_that_end");
  const int looks = number_from_environment("LOCKSCOPE_INNOCENT_LOOKS", 20);
  for (int i = 0; i < looks; ++i) {
    for (const SourceChoice source : {SourceChoice::bpf, SourceChoice::proc}) {
      const auto report = report_by(source, {"--all", "--confirm", "5ms"});
      if (!report) return;
      for (const json& wait : report->at("waits")) {
        EXPECT_GT(wait.at("thread").at("pid"), 0);
        EXPECT_GT(wait.at("thread").at("tid"), 0);
      }
    }
  }
}

TEST(ExitCode, CountsOnlyWhatItIsAskedFor) {
  const Puppet puppet("mutex_cycle_2");
  const std::string pid = std::to_string(puppet.truth()["cycle"][0]["pid"].get<int>());
  EXPECT_EQ(run({"snapshot", "--pid", pid}).status, 0);
  EXPECT_EQ(run({"snapshot", "--pid", pid, "--exit-code"}).status, 1);
  EXPECT_EQ(run({"snapshot", "--pid", pid, "--exit-code", "--fail-on", "critical"}).status, 1);
  EXPECT_EQ(run({"snapshot", "--pid", std::to_string(::getpid()), "--exit-code"}).status, 0);
}

}  // namespace
}  // namespace lockscope::test
