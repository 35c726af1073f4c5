// SPDX-License-Identifier: Apache-2.0
// What was counted over a window, and whose tries fail, as JSON.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "contention_reports.h"
#include "exporters/json/json_exporter.h"

namespace lockscope {
namespace {

using nlohmann::json;
using namespace sample_reports;

std::string text_of(const Report& report) {
  std::ostringstream out;
  JsonExporter().write(report, {}, out);
  return out.str();
}

TEST(JsonContention, IsAbsentWhereNothingWasWatched) {
  const json report = json::parse(text_of(quiet_host()));
  EXPECT_FALSE(report.contains("contention"));
}

TEST(JsonContention, DescribesWindowLocksAndHooks) {
  const json report = json::parse(text_of(watched_host()));
  EXPECT_EQ(report["taken"]["level"], "contention");
  const json& seen = report["contention"];
  EXPECT_EQ(seen["window_ns"], 10'000'000'000);
  EXPECT_EQ(seen["waits"], 1600);
  EXPECT_EQ(seen["wait_ns"], 5'000'000'000);
  EXPECT_EQ(seen["file_lock_operations"], 12'345);
  EXPECT_EQ(seen["locks_hidden"], 3);
  EXPECT_EQ(seen["hooks"], (json{{"on_switch", {{"runs", 5000}, {"run_ns", 2'500'000}}},
                                 {"on_waking", {{"runs", 300}, {"run_ns", 100'000}}}}));
  ASSERT_EQ(seen["locks"].size(), 2);
  const json& file = seen["locks"][0];
  EXPECT_EQ(file["lock"]["path"], "/var/lock/orders.lock");
  EXPECT_FALSE(file.contains("process"));
  EXPECT_EQ(file["waits"], 13);
  EXPECT_EQ(file["abandoned"], 2);
  EXPECT_EQ(file["wait_max_ns"], 1500 << 20);
  EXPECT_EQ(file["longest_waiter"], "worker-a");
  EXPECT_EQ(file["operations"], (json{{"granted", 900}, {"failed", 57}, {"released", 899}, {"processes", 4}}));
  EXPECT_EQ(file["histogram"], (json::array({{{"le_ns", 2'048'000}, {"count", 4}},
                                             {{"le_ns", 4'096'000}, {"count", 8}},
                                             {{"le_ns", 2'097'152'000}, {"count", 1}}})));
  const json& word = seen["locks"][1];
  EXPECT_EQ(word["process"]["pid"], 812);
  EXPECT_FALSE(word.contains("operations"));
  EXPECT_EQ(word["histogram"][0], (json{{"le_ns", 2000}, {"count", 1000}}));
}

TEST(JsonContention, TheLastBucketHasNoBound) {
  Report report = watched_host();
  report.contention->locks.resize(1);
  report.contention->locks[0].waits = waits({{24, 1}, {25, 7}});
  const json histogram = json::parse(text_of(report))["contention"]["locks"][0]["histogram"];
  EXPECT_EQ(histogram[0]["le_ns"], 33'554'432'000);
  EXPECT_EQ(histogram[1], (json{{"count", 7}}));
}

TEST(JsonContention, SaysWhoseTriesFail) {
  const json finding = json::parse(text_of(watched_host()))["findings"][0];
  EXPECT_EQ(finding["kind"], "lock_hijack");
  EXPECT_EQ(finding["standing"], true);
  ASSERT_EQ(finding["failing"].size(), 3);
  const json& first = finding["failing"][0];
  EXPECT_EQ(first["process"]["pid"], 5001);
  EXPECT_EQ(first["process"]["unit"], "backup.service");
  EXPECT_EQ(first["tries"], 20);
  EXPECT_EQ(first["first"], "2026-03-01T12:01:03.000000000Z");
  EXPECT_EQ(first["last"], "2026-03-01T12:01:10.000000000Z");
  const json exposed_one = json::parse(text_of(watched_host()))["findings"][1];
  EXPECT_FALSE(exposed_one.contains("failing"));
  EXPECT_FALSE(exposed_one.contains("standing"));
  EXPECT_FALSE(exposed_one.contains("holders"));
  EXPECT_EQ(exposed_one["waiters"], json::array());
}

TEST(JsonContention, GoesToTheSchemaCheck) {
  const char* folder = std::getenv("LOCKSCOPE_REPORT_DIR");
  Report unknown = watched_host();
  unknown.realtime_offset_ns.reset();
  unknown.findings[0].failing[0].first.reset();
  unknown.findings[0].failing[0].last.reset();
  unknown.findings[0].standing = false;
  unknown.contention = ContentionDescription{};
  Report extreme = watched_host();
  extreme.contention->locks[1].waits = waits({{0, 1}, {25, 1}});
  std::swap(extreme.contention->locks[0], extreme.contention->locks[1]);
  extreme.contention->locks[1].longest_waiter = "\x1b[31m\xff";
  std::vector<std::pair<std::string, Report>> reports = {
      {"watched", watched_host()}, {"unknown", unknown}, {"extreme", extreme}};
  constexpr std::pair<const char*, int> kKinds[] = {{"starvation", 667},         {"lock_convoy", 667},
                                                    {"priority_inversion", 667}, {"ignored_lock_failure", 414},
                                                    {"unlocked_write", 413},     {"long_hold", 667}};
  for (const auto& [kind, cwe] : kKinds) {
    Report report = watched_host();
    report.findings[0].kind = kind;
    report.findings[0].cwe = cwe;
    reports.emplace_back(kind, report);
  }
  for (const auto& [name, report] : reports) {
    EXPECT_TRUE(json::accept(text_of(report))) << name;
    if (folder == nullptr) continue;
    std::ofstream file(std::filesystem::path(folder) / ("contention_" + name + ".json"));
    file << text_of(report);
    ASSERT_TRUE(file.flush());
  }
}

}  // namespace
}  // namespace lockscope
