// SPDX-License-Identifier: Apache-2.0
// What the full level adds to a report, as JSON.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "exporters/json/json_exporter.h"
#include "trace_reports.h"

namespace lockscope {
namespace {

using nlohmann::json;
using namespace sample_reports;

std::string text_of(const Report& report) {
  std::ostringstream out;
  JsonExporter().write(report, {}, out);
  return out.str();
}

json read_back(const Report& report) { return json::parse(text_of(report)); }

json read_back(const FindingDescription& finding) {
  Report report = traced_run();
  report.findings = {finding};
  return read_back(report)["findings"][0];
}

TEST(JsonTrace, IsAbsentWhereNothingWasTraced) {
  Report look = quiet_host();
  look.findings = {deadlock(), abandoned()};
  const json report = read_back(look);
  EXPECT_FALSE(report.contains("profile"));
  EXPECT_FALSE(report.contains("command"));
  for (const json& finding : report["findings"]) {
    EXPECT_FALSE(finding.contains("orders"));
    EXPECT_FALSE(finding.contains("events"));
  }
  EXPECT_FALSE(report["findings"][1]["lock"].contains("class"));
}

TEST(JsonTrace, TellsBothOrdersWithTheirSites) {
  const json finding = read_back(inversion());
  EXPECT_EQ(finding["kind"], "lock_order_inversion");
  EXPECT_FALSE(finding.contains("events"));
  EXPECT_FALSE(finding.contains("waiters"));
  ASSERT_EQ(finding["orders"].size(), 2);
  const json& first = finding["orders"][0];
  EXPECT_EQ(first["thread"]["tid"], 1236);
  EXPECT_EQ(first["held"]["class"], "bank:g_accounts");
  EXPECT_EQ(first["held"]["address"], "0x55d000004040");
  EXPECT_EQ(first["wanted"]["class"], "bank:g_log");
  EXPECT_EQ(
      first["held_site"],
      (json{{"address", "0x55d00000101c"}, {"function", "transfer"}, {"module", "/usr/bin/bank"}, {"offset", 28}}));
  EXPECT_EQ(first["wanted_site"]["offset"], 0x3a);
  EXPECT_EQ(first["count"], 17);
  EXPECT_EQ(finding["orders"][1]["held"], first["wanted"]);
}

TEST(JsonTrace, TellsEventsInTheirOrder) {
  const json finding = read_back(ignored_failure());
  EXPECT_EQ(finding["lock"]["class"], "bank:g_log");
  EXPECT_FALSE(finding.contains("orders"));
  EXPECT_FALSE(finding.contains("waiters")) << "nobody asked who waited";
  ASSERT_EQ(finding["events"].size(), 2);
  const json& failed = finding["events"][0];
  EXPECT_EQ(failed["verb"], "failed");
  EXPECT_EQ(failed["error"], "EBUSY");
  EXPECT_EQ(failed["thread"]["comm"], "worker");
  EXPECT_EQ(failed["lock"]["address"], "0x55d000004080");
  EXPECT_EQ(failed["site"]["function"], "append");
  EXPECT_EQ(failed["time"], "2026-03-01T12:00:01.000000000Z");
  const json& released = finding["events"][1];
  EXPECT_EQ(released["verb"], "released");
  EXPECT_EQ(released["time"], "2026-03-01T12:00:01.001500000Z");
  EXPECT_FALSE(released.contains("error"));
}

TEST(JsonTrace, LeavesOutWhatIsNotKnown) {
  FindingDescription finding = ignored_failure();
  finding.events[0].lock.reset();
  finding.events[0].site = FrameDescription{};
  finding.events[0].time.reset();
  finding.events[0].error = "";
  finding.events[1].site.reset();
  finding.orders = inversion().orders;
  finding.orders[0].held_site = {};
  finding.orders[0].held.class_name.reset();
  finding.orders[0].wanted_site = {};
  finding.orders[0].wanted_site.offset = 0;
  finding.orders[0].wanted_site.module = "bank";
  finding.orders[0].wanted_site.function = "";
  finding.orders[0].wanted_site.line = 0;
  finding.orders[1].wanted_site.file = "audit.c";
  finding.orders[1].wanted_site.line = 42;
  const json seen = read_back(finding);
  json alone = seen["events"][0];
  alone.erase("thread");
  EXPECT_EQ(alone, (json{{"verb", "failed"}}));
  EXPECT_FALSE(seen["events"][1].contains("site"));
  EXPECT_FALSE(seen["orders"][0].contains("held_site"));
  EXPECT_FALSE(seen["orders"][0]["held"].contains("class"));
  EXPECT_EQ(seen["orders"][0]["wanted_site"], (json{{"module", "bank"}, {"offset", 0}}));
  EXPECT_EQ(seen["orders"][1]["wanted_site"]["file"], "audit.c");
  EXPECT_EQ(seen["orders"][1]["wanted_site"]["line"], 42);
}

TEST(JsonTrace, ProfilesLocksByClass) {
  const json report = read_back(traced_run());
  EXPECT_EQ(report["taken"]["level"], "full");
  const json& seen = report["profile"];
  EXPECT_EQ(seen["duration_ns"], 12'000'000'000);
  EXPECT_EQ(seen["acquired"], 10'000'700);
  EXPECT_EQ(seen["contended"], 1'234);
  EXPECT_EQ(seen["locks_hidden"], 3);
  ASSERT_EQ(seen["locks"].size(), 2);
  const json& hot = seen["locks"][0];
  EXPECT_EQ(hot["class"], "bank:g_accounts");
  EXPECT_EQ(hot["kind"], "mutex");
  EXPECT_EQ(hot["instances"], 1);
  EXPECT_EQ(hot["acquired"], 10'000'000);
  EXPECT_EQ(hot["contended"], 1'234);
  EXPECT_EQ(hot["failed"], 7);
  EXPECT_EQ(hot["hold"], (json{{"count", 10'000'000},
                               {"total_ns", 3'200'000'000},
                               {"mean_ns", 320},
                               {"p50_ns", 320},
                               {"p99_ns", 40'000'000},
                               {"max_ns", 40'000'000}}));
  EXPECT_EQ(hot["wait"]["total_ns"], 1'600'000'000);
  ASSERT_EQ(hot["holders"].size(), 2);
  EXPECT_EQ(hot["holders"][0]["site"]["function"], "transfer");
  EXPECT_EQ(hot["holders"][0]["acquired"], 9'000'000);
  EXPECT_EQ(hot["holders"][0]["contended"], 1'000);
  EXPECT_EQ(hot["waiters"][1]["site"]["function"], "audit");
  EXPECT_EQ(hot["waiters"][1]["wait"]["max_ns"], 5'000'000);
  const json& thread = seen["waiters"][1];
  EXPECT_EQ(thread["thread"]["comm"], "auditor");
  EXPECT_EQ(thread["waits"], 234);
  EXPECT_EQ(thread["waited_ns"], 600'000'000);
}

TEST(JsonTrace, OfNoWaitThereIsNoMean) {
  const json cool = read_back(traced_run())["profile"]["locks"][1];
  EXPECT_EQ(cool["wait"], (json{{"count", 0}, {"total_ns", 0}}));
  EXPECT_EQ(cool["waiters"], json::array());
  EXPECT_EQ(cool["failed"], 0);
}

TEST(JsonTrace, SaysWhatItRanAndHowThatEnded) {
  Report run = traced_run();
  EXPECT_EQ(read_back(run)["command"], (json{{"arguments", {"./bank", "--threads", "8"}}, {"exit_status", 0}}));
  run.command = CommandDescription{.arguments = {"./bank", ""}, .exit_status = {}, .signal = 11};
  EXPECT_EQ(read_back(run)["command"], (json{{"arguments", {"./bank", ""}}, {"signal", 11}}));
  run.command->signal.reset();
  EXPECT_EQ(read_back(run)["command"].size(), 1) << "it runs still";
}

TEST(JsonTrace, GoesToTheSchemaCheck) {
  const char* folder = std::getenv("LOCKSCOPE_REPORT_DIR");
  const std::string evil = "\x1b[31m\"\n\xff\xe2\x80\xae";
  const ThreadDescription worker = thread("worker", 1234, 1236);
  Report wrong = traced_run();
  wrong.findings = {inversion(), ignored_failure()};
  const auto calls = [&worker](const char* first, const char* second) {
    return std::vector{event(first, worker, place("append", 1), 0), event(second, worker, place("append", 2), 1)};
  };
  wrong.findings.push_back(misuse("double_unlock", 765, calls("released", "released")));
  wrong.findings.push_back(misuse("unlock_not_locked", 832, calls("acquired", "released")));
  wrong.findings.push_back(misuse("unlock_not_owner", 832, calls("acquired", "released")));
  wrong.findings.push_back(misuse("relock", 764, calls("acquired", "contended")));
  wrong.findings.push_back(misuse("destroyed_while_locked", 667, calls("acquired", "destroyed")));
  wrong.findings.push_back(misuse("exit_while_holding", 667, calls("acquired", "exited")));
  wrong.findings.push_back(misuse("long_hold", 667, calls("acquired", "released")));
  Report unknown = wrong;
  unknown.command = CommandDescription{.arguments = {""}, .exit_status = {}, .signal = {}};
  unknown.profile->locks[0].class_name = "";
  unknown.profile->locks[0].holders[0].site = {};
  for (FindingDescription& finding : unknown.findings) {
    finding.lock.reset();
    finding.first_seen.reset();
    for (LockEventDescription& one : finding.events) {
      one.lock.reset();
      one.site.reset();
      one.time.reset();
      one.error.reset();
    }
    for (LockOrderDescription& one : finding.orders) one.held_site = one.wanted_site = {};
  }
  Report extreme = wrong;
  extreme.command = CommandDescription{.arguments = {evil, evil}, .exit_status = {}, .signal = 64};
  extreme.profile->locks[0].kind = LockKind::spin;
  extreme.profile->locks[0].class_name = evil;
  extreme.profile->locks[0].acquired = ~std::uint64_t{0};
  extreme.profile->locks[0].hold = times(~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0});
  extreme.findings[0].orders[0].held.class_name = evil;
  extreme.findings[0].orders[0].held_site.function = evil;
  extreme.findings[0].orders[0].held_site.file = evil;
  extreme.findings[1].events[0].error = evil;
  Report nothing = traced_run();
  nothing.profile = ProfileDescription{};
  nothing.command.reset();
  const std::pair<const char*, Report> reports[] = {
      {"right", traced_run()}, {"wrong", wrong}, {"unknown", unknown}, {"extreme", extreme}, {"nothing", nothing}};
  for (const auto& [name, report] : reports) {
    EXPECT_TRUE(json::accept(text_of(report))) << name;
    if (folder == nullptr) continue;
    std::ofstream file(std::filesystem::path(folder) / (std::string("trace_") + name + ".json"));
    file << text_of(report);
    ASSERT_TRUE(file.flush());
  }
}

}  // namespace
}  // namespace lockscope
