// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/text_exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "exporters/text/escape.h"
#include "exporters/utf8.h"
#include "exporters_reports.h"

namespace lockscope {
namespace {

using namespace sample_reports;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string shown(const Report& report, ExportOptions options = {.color = false, .width = 100, .quiet = false}) {
  std::ostringstream out;
  TextExporter().write(report, options, out);
  return out.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void expect_fit_to_print(const std::string& text) {
  for (const std::string& line : lines_of(text)) {
    std::string_view rest = line;
    while (!rest.empty()) {
      const Decoded next = decode_utf8(rest);
      ASSERT_TRUE(next.valid && !is_hazardous(next.code_point)) << testing::PrintToString(line);
      rest.remove_prefix(next.length);
    }
  }
}

Report with(FindingDescription finding) {
  Report report = quiet_host();
  report.findings = {std::move(finding)};
  return report;
}

TEST(TextReport, NothingWrongIsASentence) {
  EXPECT_THAT(shown(quiet_host()),
              StartsWith("No deadlock, no self-deadlock, no abandoned lock among 214 threads (57 waiting).\n"));
}

TEST(TextReport, ClearsOnlyWhatItSaw) {
  Report report = quiet_host();
  report.coverage.unreadable = 3;
  report.coverage.not_understood = 2;
  const std::string text = shown(report, {.color = false, .width = 0, .quiet = false});
  EXPECT_THAT(text, HasSubstr("(57 waiting); 5 of them could not be judged."));
  EXPECT_THAT(text, HasSubstr("Not seen\n"));
  EXPECT_THAT(text, HasSubstr("3 threads could not be read"));
  EXPECT_THAT(text, HasSubstr("2 threads in 32-bit programs"));
}

TEST(TextReport, AnEmptyLookClearsNobody) {
  const std::string text = shown(Report{});
  EXPECT_THAT(text, HasSubstr("No thread was seen"));
  EXPECT_THAT(text, Not(HasSubstr("No deadlock")));
}

TEST(TextReport, ADeadlockIsNotDeniedAndALongHoldDoesNotAccuse) {
  EXPECT_THAT(shown(with(deadlock())), Not(HasSubstr("No deadlock")));
  EXPECT_THAT(shown(with(abandoned())), Not(HasSubstr("No deadlock")));
  FindingDescription hold = abandoned();
  hold.kind = "long_hold";
  EXPECT_THAT(shown(with(hold)), HasSubstr("No deadlock, no self-deadlock, no abandoned lock"));
}

TEST(TextReport, DrawsTheRing) {
  EXPECT_THAT(
      shown(with(deadlock())),
      StartsWith(
          R"(CRITICAL deadlock (CWE-833), confirmed, for 12.0s                                 [00112233445566aa]
2 processes wait for each other

  ┌▶ worker-a  pid 4242 tid 4242  app.service  alice  (/usr/bin/order)
  │    waits 2.0s for flock /var/lock/orders.lock (exclusive)
  │    held by the next ▼  [evidence: kernel]
  ├▶ worker-b  pid 4243 tid 4250
  │    waits 2.0s for mutex 0x7f00aa00b040 (shared memory /dev/shm/orders + 64)
  └──  held by the first ▲  [evidence: memory]
  1 thread waits behind it:
    worker-c  pid 4244 tid 4244  waits 2.0s for flock /var/lock/orders.lock (exclusive)
  evidence: looks 2, will_time_out no, rule all held
  what to do: end one of them

)"));
}

TEST(TextReport, AThreadCanHoldItsOwnWayShut) {
  FindingDescription finding = deadlock();
  finding.kind = "self_deadlock";
  finding.cycle = {wait(thread("once", 5, 5), mutex(0x40), {held_by(thread("once", 5, 5))})};
  const std::string text = shown(with(finding));
  EXPECT_THAT(text, HasSubstr("  ┌▶ once  pid 5 tid 5\n"));
  EXPECT_THAT(text, HasSubstr("  └──  held by itself  [evidence: memory]\n"));
}

TEST(TextReport, SaysHowSureItIsOfAHolder) {
  FindingDescription finding = deadlock();
  finding.cycle[0].holders.push_back(held_by(thread("reader", 4, 4)));
  finding.cycle[0].lock.kind = LockKind::join;
  finding.cycle[1].holders[0].evidence = Evidence::unknown;
  const std::string text = shown(with(finding));
  EXPECT_THAT(text, HasSubstr("waits 2.0s for the end of a thread\n"));
  EXPECT_THAT(text, HasSubstr("  │    which is the next ▼, and 1 more  [evidence: kernel]\n"));
  EXPECT_THAT(text, HasSubstr("  └──  perhaps held by the first ▲  [evidence: unknown]\n"));
}

TEST(TextReport, ShowsALockWhoseOwnerIsGone) {
  const std::string text = shown(with(abandoned()));
  EXPECT_THAT(
      text,
      HasSubstr("  mutex 0x1000\n  held by  gone (it was thread 17, as the waiter counts)  [evidence: memory]\n"));
  EXPECT_THAT(text, HasSubstr("  1 thread waits for it:\n    left  pid 50 tid 51  waits 2.0s for mutex 0x1000\n"));
}

TEST(TextReport, CutsALongRing) {
  FindingDescription finding = deadlock();
  finding.cycle.clear();
  for (int i = 0; i < 10'000; ++i) {
    finding.cycle.push_back(
        wait(thread("p", 9, 100 + i), mutex(0x1000), {held_by(thread("p", 9, 100 + (i + 1) % 10'000))}));
  }
  finding.victims.assign(10'000, finding.cycle.front());
  const std::string text = shown(with(finding));
  EXPECT_THAT(text, HasSubstr("  ┊  9987 more, each waiting for the next\n"));
  EXPECT_THAT(text, HasSubstr("    … 9995 more\n"));
  EXPECT_LT(lines_of(text).size(), 80u);
  EXPECT_THAT(text, HasSubstr("tid 10099\n"));  // the last of the ring is there
}

TEST(TextReport, MostSevereFirst) {
  Report report = with(abandoned());
  report.findings[0].severity = Severity::notice;
  report.findings.push_back(deadlock());
  EXPECT_THAT(shown(report), StartsWith("CRITICAL deadlock"));
  EXPECT_THAT(shown(report), HasSubstr("notice abandoned_lock"));
}

TEST(TextReport, ManyFindingsAreCounted) {
  Report report = quiet_host();
  report.findings.assign(500, deadlock());
  const std::string text = shown(report);
  EXPECT_THAT(text, HasSubstr("… 450 more findings (--json has all)"));
  EXPECT_LT(lines_of(text).size(), 300u);
}

TEST(TextReport, QuietIsFindingsOnly) {
  EXPECT_EQ(shown(quiet_host(), {.color = false, .width = 80, .quiet = true}), "");
  EXPECT_THAT(shown(with(deadlock()), {.color = false, .width = 80, .quiet = true}), Not(HasSubstr("web1")));
}

TEST(TextReport, ColourOnlyWhenAskedFor) {
  EXPECT_THAT(shown(everything()), Not(HasSubstr("\x1b")));
  EXPECT_THAT(shown(everything(), {.color = true, .width = 80, .quiet = false}),
              HasSubstr("\x1b[1;97;41mCRITICAL\x1b[0m"));
}

TEST(TextReport, NothingOfAProcessReachesTheTerminalRaw) {
  const std::string evil = "\x1b]0;x\x07\n\xc2\x9b\xff\u202e";
  FindingDescription finding = deadlock();
  finding.kind = finding.summary = finding.hint = finding.fingerprint = evil;
  for (WaitDescription& in_cycle : finding.cycle) {
    ThreadDescription& victim = in_cycle.thread;
    victim.comm = evil;
    victim.exe = victim.user = victim.unit = victim.container = evil;
    in_cycle.lock.path = evil;
  }
  finding.evidence = {{evil, evil}};
  Report report = with(finding);
  report.notes = {evil};
  report.source = report.host.name = report.host.kernel = evil;
  report.coverage.lost_events = {{evil, 1}};
  ThreadDescription holder = thread(evil, 70, 70);
  holder.exe = evil;
  report.waits = {wait(thread(evil, 71, 71), flock(evil), {held_by(holder)})};
  expect_fit_to_print(shown(report));
  expect_fit_to_print(shown(report, {.color = false, .width = 0, .quiet = false}));
}

TEST(TextReport, FitsTheWidth) {
  Report report = quiet_host();
  report.findings = {deadlock(), abandoned()};
  report.notes = {"a note of many words that has to be broken somewhere before it ends, be it here or there, or there"};
  report.waits = {
      wait(thread("io", 60, 61), flock("/srv/" + std::string(300, 'w')), {held_by(thread("main", 60, 60))})};
  report.findings[0].summary = report.findings[0].hint = std::string("several words that go on ") +
                                                         std::string(200, ' ') +
                                                         "and on and on until the line is full and over and over again";
  for (WaitDescription& in_cycle : report.findings[0].cycle)
    in_cycle.lock.path = "/srv/" + std::string(300, 'd') + "/f.lock";
  report.findings[0].cycle[0].thread.exe = "/opt/" + std::string(300, 'e') + "/bin/order";
  for (const std::size_t width : {80u, 100u, 200u}) {
    const std::string text = shown(report, {.color = false, .width = width, .quiet = false});
    for (const std::string& line : lines_of(text)) EXPECT_LE(width_of(line), width) << line;
    EXPECT_THAT(text, HasSubstr("bin/order)"));  // the end of a path tells most
  }
}

TEST(TextReport, CountsWaitsWithoutAKnownHolder) {
  Report report = quiet_host();
  for (int i = 0; i < 3; ++i) report.waits.push_back(wait(thread("pool", 9, 10 + i), mutex(0x1), {}));
  report.waits.push_back(wait(thread("pool", 9, 20), flock("/x"), {held_by(thread("maybe", 8, 8), Evidence::unknown)}));
  report.waits_hidden = 40;
  const std::string text = shown(report);
  EXPECT_THAT(text, HasSubstr("44 waits are idle or for a holder that is not known"));
  EXPECT_THAT(text, HasSubstr("3 mutex, 1 flock"));
  EXPECT_THAT(text, HasSubstr("--all lists them"));
  EXPECT_THAT(text, Not(HasSubstr("Wait chains")));
}

TEST(TextReport, NamesTheContainerOnce) {
  FindingDescription finding = deadlock();
  finding.cycle[0].thread.container = "0123456789ab";
  finding.cycle[0].thread.unit = "docker-0123456789abcdef.scope";
  EXPECT_THAT(shown(with(finding)), HasSubstr("tid 4242  container 0123456789ab  alice"));
}

}  // namespace
}  // namespace lockscope
