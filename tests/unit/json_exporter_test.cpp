// SPDX-License-Identifier: Apache-2.0
// The JSON that is written, read back by another implementation. tests/e2e/validate_reports.py holds the same reports
// against the schema, where LOCKSCOPE_REPORT_DIR names a folder for them.
#include "exporters/json/json_exporter.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "exporters/json/json_writer.h"
#include "exporters/json/rfc3339.h"
#include "exporters_reports.h"

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

std::string written(std::string_view text) {
  std::ostringstream out;
  JsonWriter writer(out);
  writer.value(text);
  writer.finish();
  return out.str();
}

TEST(JsonWriter, EscapesWhatJsonAndTerminalsMind) {
  EXPECT_EQ(written("plain"), "\"plain\"\n");
  EXPECT_EQ(written("a\"b\\c"), "\"a\\\"b\\\\c\"\n");
  EXPECT_EQ(written("\n\t\x1b"), "\"\\n\\t\\u001b\"\n");
  EXPECT_EQ(written(std::string_view("\0", 1)), "\"\\u0000\"\n");
  EXPECT_EQ(written("\x7f\xc2\x9b"), "\"\\u007f\\u009b\"\n");
  EXPECT_EQ(written("\xe2\x80\xae"), "\"\\u202e\"\n");
  EXPECT_EQ(written("\xf3\xa0\x81\x81"), "\"\\udb40\\udc41\"\n");
  EXPECT_EQ(written("é😀"), "\"é😀\"\n");
}

TEST(JsonWriter, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(written("a\xff"
                    "b"),
            "\"a\xef\xbf\xbd"
            "b\"\n");
  EXPECT_EQ(written("\xe2\x80"), "\"\xef\xbf\xbd\"\n");
  EXPECT_EQ(written("\xc0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\"\n");
}

TEST(JsonWriter, AnyBytesReadBackAsUtf8) {
  std::uint32_t state = 7;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 24; ++i) {
      state = state * 1664525 + 1013904223;
      bytes += static_cast<char>(state >> 24);
    }
    ASSERT_TRUE(json::accept(written(bytes))) << testing::PrintToString(bytes);
  }
}

TEST(JsonWriter, IndentsByTwoAndKeepsEmptyBracketsShort) {
  std::ostringstream out;
  JsonWriter writer(out);
  writer.begin_object();
  writer.key("list").begin_array();
  writer.value(1);
  writer.value(-2);
  writer.value(true);
  writer.end_array();
  writer.key("none").begin_array();
  writer.end_array();
  writer.key("much").value(~std::uint64_t{0});
  writer.end_object();
  writer.finish();
  EXPECT_EQ(
      out.str(),
      "{\n  \"list\": [\n    1,\n    -2,\n    true\n  ],\n  \"none\": [],\n  \"much\": 18446744073709551615\n}\n");
}

TEST(JsonReport, SaysWhatItIs) {
  const json report = read_back(quiet_host());
  EXPECT_EQ(report["schema"], "lockscope.report/1");
  EXPECT_EQ(report["tool"]["name"], "lockscope");
  EXPECT_EQ(report["tool"]["version"], LOCKSCOPE_VERSION);
  EXPECT_EQ(report["host"]["boot_id"], "b3b1c2a0-1111-2222-3333-444455556666");
  EXPECT_EQ(report["taken"]["start"], "2026-03-01T09:00:00.000000000Z");
  EXPECT_EQ(report["taken"]["duration_ns"], 12'000'000);
  EXPECT_EQ(report["taken"]["source"], "bpf");
  EXPECT_EQ(report["coverage"]["threads_seen"], 214);
  EXPECT_EQ(report["findings"], json::array());
  EXPECT_EQ(report["waits"], json::array());
}

TEST(JsonReport, DescribesACycleInItsOrder) {
  Report host = quiet_host();
  host.findings = {deadlock()};
  const json finding = read_back(host)["findings"][0];
  EXPECT_EQ(finding["kind"], "deadlock");
  EXPECT_EQ(finding["cwe"], 833);
  EXPECT_EQ(finding["severity"], "critical");
  EXPECT_EQ(finding["confidence"], "confirmed");
  EXPECT_EQ(finding["age_ns"], 12'000'000'000);
  ASSERT_EQ(finding["cycle"].size(), 2);
  const json& first = finding["cycle"][0];
  EXPECT_EQ(first["thread"]["tid"], 4242);
  EXPECT_EQ(first["thread"]["unit"], "app.service");
  EXPECT_EQ(first["thread"]["start_time"], "2026-02-25T06:15:00.000004242Z");
  EXPECT_EQ(
      first["lock"],
      (json{
          {"kind", "flock"}, {"scope", "file"}, {"path", "/var/lock/orders.lock"}, {"device", "8:1"}, {"inode", 77}}));
  EXPECT_EQ(first["holders"][0]["thread"]["tid"], finding["cycle"][1]["thread"]["tid"]);
  EXPECT_EQ(first["holders"][0]["evidence"], "kernel");
  EXPECT_EQ(first["holders"][0]["state"], "blocked");
  EXPECT_EQ(finding["cycle"][1]["lock"], (json{{"kind", "mutex"},
                                               {"scope", "shared"},
                                               {"address", "0x7f00aa00b040"},
                                               {"path", "/dev/shm/orders"},
                                               {"offset", 64}}));
  EXPECT_EQ(finding["victims"].size(), 1);
  EXPECT_EQ(finding["evidence"], (json{{"looks", 2}, {"will_time_out", false}, {"rule", "all held"}}));
}

TEST(JsonReport, LeavesOutWhatIsNotKnown) {
  Report host;
  ThreadDescription nameless;
  nameless.pid = 1;
  nameless.tid = 2;
  WaitDescription bare;
  bare.thread = nameless;
  host.waits = {bare};
  const json report = read_back(host);
  EXPECT_EQ(report["host"], json::object());
  EXPECT_EQ(report["waits"][0], (json{{"thread", {{"pid", 1}, {"tid", 2}}},
                                      {"lock", {{"kind", "futex"}, {"scope", "private"}}},
                                      {"mode", "exclusive"},
                                      {"timed", false}}));
  EXPECT_FALSE(report.contains("notes"));
  EXPECT_FALSE(report["taken"].contains("source"));
}

TEST(JsonReport, StartOfAThreadNeedsTheTimeOfTheBoot) {
  Report host = quiet_host();
  host.findings = {deadlock()};
  host.realtime_offset_ns.reset();
  EXPECT_FALSE(read_back(host)["findings"][0]["cycle"][0]["thread"].contains("start_time"));
}

TEST(JsonReport, SaysWhoIsGone) {
  Report host = quiet_host();
  host.findings = {abandoned()};
  const json finding = read_back(host)["findings"][0];
  EXPECT_EQ(finding["holders"], (json::array({{{"gone_tid", 17}, {"evidence", "memory"}, {"state", "gone"}}})));
  EXPECT_EQ(finding["waiters"].size(), 1);
  EXPECT_FALSE(finding.contains("cycle"));
  EXPECT_FALSE(finding.contains("victims"));
}

TEST(JsonReport, KeepsExtremesExact) {
  const json report = read_back(everything());
  const json& posix = report["waits"][0];
  EXPECT_EQ(posix["age_ns"].get<std::uint64_t>(), ~std::uint64_t{0});
  EXPECT_EQ(posix["lock"]["range"], (json{{"start", 0}, {"end", ~std::uint64_t{0} - 1}}));
  EXPECT_EQ(posix["thread"]["uid"], 4294967295u);
  EXPECT_EQ(posix["thread"]["comm"], "a\"\\\n\t\x1b\x7f\xef\xbf\xbd\xef\xbf\xbd \xe2\x80\xae");
  EXPECT_EQ(posix["mode"], "shared");
  EXPECT_EQ(posix["timed"], true);
  EXPECT_FALSE(posix.contains("holders"));
  const json& cond = report["waits"][1];
  EXPECT_EQ(cond["lock"]["address"], "0xffffffffffffffff");
  EXPECT_EQ(cond["lock"]["mutex_address"], "0x0");
  EXPECT_EQ(cond["lock"]["readers"], 2);
  EXPECT_EQ(cond["holders"][0]["any_thread"], true);
  EXPECT_FALSE(cond.contains("age_ns"));
  EXPECT_FALSE(cond["thread"].contains("comm"));
  EXPECT_EQ(report["coverage"]["lost_events"], (json{{"ring_full", 4}}));
  EXPECT_EQ(report["notes"], (json::array({"without BPF"})));
  EXPECT_EQ(report["waits_hidden"], 12);
}

TEST(JsonReport, EndOfAnOpenRangeIsAbsent) {
  Report host = quiet_host();
  WaitDescription wait_of_all = wait(thread("a", 1, 1), flock("/x"), {});
  wait_of_all.lock.range = LockDescription::Range{5, {}};
  host.waits = {wait_of_all};
  EXPECT_EQ(read_back(host)["waits"][0]["lock"]["range"], (json{{"start", 5}}));
}

TEST(JsonReport, SchemaKnowsEveryWord) {
  const std::filesystem::path path = LOCKSCOPE_SOURCE_DIR "/docs/report.schema.json";
  std::ifstream file(path);
  ASSERT_TRUE(file) << path;
  const json defs = json::parse(file)["$defs"];
  const auto words = [](const json& property) { return property["enum"].get<std::vector<std::string>>(); };
  std::vector<std::string> kinds;
  for (int kind = 0; kind <= static_cast<int>(LockKind::futex); ++kind) {
    kinds.emplace_back(name_of(static_cast<LockKind>(kind)));
  }
  EXPECT_EQ(words(defs["lock"]["properties"]["kind"]), kinds);
  EXPECT_EQ(words(defs["holder"]["properties"]["evidence"]),
            (std::vector<std::string>{name_of(Evidence::kernel), name_of(Evidence::memory), name_of(Evidence::traced),
                                      name_of(Evidence::unknown)}));
  EXPECT_EQ(
      words(defs["finding"]["properties"]["severity"]),
      (std::vector<std::string>{name_of(Severity::notice), name_of(Severity::warning), name_of(Severity::critical)}));
  EXPECT_EQ(words(defs["finding"]["properties"]["confidence"]),
            (std::vector<std::string>{name_of(Confidence::likely), name_of(Confidence::confirmed)}));
}

TEST(JsonReport, GoesToTheSchemaCheck) {
  const char* folder = std::getenv("LOCKSCOPE_REPORT_DIR");
  Report one_of_each = quiet_host();
  one_of_each.findings = {deadlock()};
  const std::pair<const char*, Report> reports[] = {
      {"quiet", quiet_host()}, {"deadlock", one_of_each}, {"everything", everything()}, {"empty", Report{}}};
  for (const auto& [name, report] : reports) {
    EXPECT_TRUE(json::accept(text_of(report))) << name;
    if (folder == nullptr) continue;
    std::ofstream file(std::filesystem::path(folder) / (std::string(name) + ".json"));
    file << text_of(report);
    ASSERT_TRUE(file.flush());
  }
}

TEST(Rfc3339, GivesNanosecondsInUtc) {
  using namespace std::chrono;
  EXPECT_EQ(rfc3339(sys_time<nanoseconds>{}), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(rfc3339(sys_days{year{2024} / 2 / 29} + hours{23} + minutes{59} + seconds{59} + nanoseconds{999'999'999}),
            "2024-02-29T23:59:59.999999999Z");
  EXPECT_EQ(rfc3339(sys_time<nanoseconds>{nanoseconds{-1}}), "1969-12-31T23:59:59.999999999Z");
}

}  // namespace
}  // namespace lockscope
