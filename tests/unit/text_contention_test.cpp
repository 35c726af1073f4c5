// SPDX-License-Identifier: Apache-2.0
// Contended locks, hijacks and exposed locks as people read them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "contention_reports.h"
#include "exporters/text/contention_view.h"
#include "exporters/text/duration.h"
#include "exporters/text/escape.h"
#include "exporters/text/text_exporter.h"
#include "exporters/utf8.h"

namespace lockscope {
namespace {

using namespace sample_reports;
using testing::HasSubstr;
using testing::Not;

std::string shown(const Report& report, std::size_t width) {
  std::ostringstream out;
  TextExporter().write(report, {.color = false, .width = width, .quiet = false}, out);
  return out.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

Report only(ContentionDescription contention) {
  Report report = quiet_host();
  report.contention = std::move(contention);
  return report;
}

Report only(FindingDescription finding) {
  Report report = quiet_host();
  report.findings = {std::move(finding)};
  return report;
}

TEST(TextContention, IsATable) {
  const std::string text = shown(only(contention()), 120);
  SCOPED_TRACE(text);
  EXPECT_THAT(text, HasSubstr(R"(Contended locks over 10.0s  (1600 waits, 5.0s in all, idle ones included)
       waited  waits  longest     mean                           lock
   1     1.6s     13     1.5s    123ms  │          ▄█        ▁│  flock /var/lock/orders.lock
      longest: worker-a, 2 given up, 57 tries failed
   2    3.0ms   1503     12us      2us  │█▄ ▁                 │  mutex 0x7f00aa00b040 of redis-server pid 812
      longest: io_thd_1
      bars: how many waits lasted how long, from nothing to 2.0s; each is twice the one before
  … 3 more locks: waited for less, or idle (--all lists them)
  12345 file-lock operations
  counting took 2.6ms in 5300 runs of BPF programs, 0.03% of one CPU
)"));
}

TEST(TextContention, GivesNamesTheirOwnLineWhereItIsNarrow) {
  EXPECT_THAT(shown(only(contention()), 80), HasSubstr("│          ▄█        ▁│\n"
                                                       "      flock /var/lock/orders.lock\n"
                                                       "      longest: worker-a, 2 given up, 57 tries failed\n"));
}

TEST(TextContention, HasRemarksBesideTheNameWhereItIsWide) {
  EXPECT_THAT(shown(only(contention()), 200),
              HasSubstr("│  flock /var/lock/orders.lock  (longest: worker-a, 2 given up, 57 tries failed)\n"));
}

TEST(TextContention, FitsTheWidth) {
  ContentionDescription seen = contention();
  seen.locks[0].lock.path = "/srv/" + std::string(300, 'd') + "/f.lock";
  seen.locks.push_back(seen.locks[1]);
  seen.locks[2].lock.kind = LockKind::priority_protect_mutex;
  seen.locks[2].process->comm = std::string(15, 'w');
  seen.locks[2].process->pid = 2147483647;
  seen.locks[0].longest_waiter = std::string(15, '\x1b');
  seen.locks[1].waits = waits({{0, 1}, {25, std::uint64_t{1} << 60}});
  seen.locks[1].waits.longest_ns = seen.locks[1].waits.total_ns = ~std::uint64_t{0};
  for (const std::size_t width : {80u, 109u, 110u, 200u}) {
    const std::string text = shown(only(seen), width);
    for (const std::string& line : lines_of(text)) EXPECT_LE(width_of(line), width) << line;
    EXPECT_THAT(text, HasSubstr("f.lock"));
  }
}

TEST(TextContention, NamesTheProcessOfAPrivateLock) {
  EXPECT_THAT(shown(only(contention()), 80), HasSubstr("of redis-server pid 812"));
}

TEST(TextContention, SaysWhatTheBarsMean) {
  ContentionDescription seen = contention();
  seen.locks.resize(1);
  seen.locks[0].waits = waits({{6, 1}, {9, 1}});
  EXPECT_THAT(shown(only(seen), 120), HasSubstr("from 64us to 1.0ms; each is twice the one before"));
  seen.locks[0].waits = waits({{6, 1}, {25, 1}});
  EXPECT_THAT(shown(only(seen), 120), HasSubstr("from 64us to 33.5s and more;"));
}

TEST(TextContention, CountsWhatIsNotShown) {
  ContentionDescription seen = contention();
  seen.locks.resize(30, seen.locks[1]);
  const std::string text = shown(only(seen), 120);
  EXPECT_THAT(text, HasSubstr("  … 13 more locks: waited for less, or idle (--all lists them)\n"));
  EXPECT_THAT(text, HasSubstr("  12345 file-lock operations\n"));
  EXPECT_LT(lines_of(text).size(), 60u);
}

TEST(TextContention, SaysWhatCountingCost) {
  EXPECT_THAT(shown(only(contention()), 120),
              HasSubstr("counting took 2.6ms in 5300 runs of BPF programs, 0.03% of one CPU"));
  ContentionDescription unaccounted = contention();
  unaccounted.hooks = {{"on_switch", {.runs = 5, .run_ns = 0}}};
  EXPECT_THAT(shown(only(unaccounted), 120), Not(HasSubstr("counting took")));
}

TEST(TextContention, AQuietWindowIsASentence) {
  ContentionDescription none;
  none.window = std::chrono::seconds{10};
  const std::string text = shown(only(none), 80);
  EXPECT_THAT(text, HasSubstr("No contended lock in 10.0s\n"));
  EXPECT_THAT(shown(quiet_host(), 80), Not(HasSubstr("contended")));
}

TEST(TextContention, NothingOfAProcessReachesTheTerminalRaw) {
  const std::string evil = "\x1b]0;x\x07\n\xc2\x9b\xff\u202e";
  Report report = watched_host();
  for (LockContention& lock : report.contention->locks) {
    lock.lock.path = evil;
    lock.longest_waiter = evil;
    lock.process = thread(evil, 1, 1);
  }
  for (FindingDescription& finding : report.findings) {
    for (FailingDescription& one : finding.failing) one.process.comm = *(one.process.unit = evil);
    for (auto& [name, fact] : finding.evidence) {
      if (std::holds_alternative<std::string>(fact)) fact = evil;
    }
  }
  report.findings[1].failing = {failing(evil, 9, 1, 1, 1)};
  report.findings[1].failing[0].process.unit.reset();
  for (const std::size_t width : {0u, 80u, 120u}) {
    for (const std::string& line : lines_of(shown(report, width))) {
      std::string_view rest = line;
      while (!rest.empty()) {
        const Decoded next = decode_utf8(rest);
        ASSERT_TRUE(next.valid && !is_hazardous(next.code_point)) << testing::PrintToString(line);
        rest.remove_prefix(next.length);
      }
    }
  }
}

TEST(Histogram, DrawsEachBucketAgainstTheFullest) {
  const WaitHistogram histogram = waits({{2, 1}, {3, 50}, {4, 100}, {6, 1}}).histogram;
  EXPECT_EQ(draw_histogram(histogram, 2, 6), "▁▄█ ▁");
  EXPECT_EQ(draw_histogram(histogram, 0, 1), "  ");
  EXPECT_EQ(draw_histogram(waits({{25, 1}}).histogram, 25, 25), "█");
}

TEST(TextHijack, TellsWhoAgainstWhom) {
  const std::string text = shown(only(hijack()), 100);
  SCOPED_TRACE(text);
  EXPECT_THAT(text, HasSubstr(R"(
  flock /var/lib/backup/state
  held by  flock  pid 4001 tid 4001  mallory, sleeping  [evidence: kernel]
  3 processes of backup.service failed 57 times since 12:01:03, last 12:01:30 UTC:
    backup  pid 5001  backup.service  root  20 tries
    backup  pid 5002  backup.service  root  30 tries
    backup  pid 5003  backup.service  root  7 tries
  holder   user mallory, user@1001.service, /usr/bin/flock, sleeping, by a read-only descriptor,
           known by kernel
  against  user root, backup.service, /usr/sbin/backup
  lock     /var/lib/backup/state, mode 0644, of root, made 2026-03-01 08:00:00 UTC
  reach    others may read it, and flock needs no more than that
  so far   1 kept from it, 57 tries failed, taken again 3 times, 1m35s in the past hour
  trust    less, distance 3
  evidence: something_new later
  what to do: end it (kill 4001); chmod 0600 /var/lib/backup/state
)"));
}

TEST(TextHijack, OneTryOfOneNamelessProcess) {
  FindingDescription finding = hijack();
  finding.failing = {failing("", 9, 1, 5, 5)};
  finding.failing[0].process.unit.reset();
  EXPECT_THAT(shown(only(finding), 100),
              HasSubstr("  1 process failed once since 12:00:05 UTC:\n    (no name)  pid 9  root\n"));
  finding.failing[0].first.reset();
  finding.failing[0].last.reset();
  EXPECT_THAT(shown(only(finding), 100), HasSubstr("  1 process failed once:\n"));
}

TEST(TextHijack, ManyThatFailAreCounted) {
  FindingDescription finding = hijack();
  finding.failing.clear();
  for (int i = 0; i < 300; ++i) {
    finding.failing.push_back(failing("p", 100 + i, 1, 1, 2));
    finding.failing.back().process.unit = fmt::format("u{}.service", i % 30);
  }
  const std::string text = shown(only(finding), 100);
  EXPECT_THAT(text, HasSubstr("10 processes of u0.service failed 10 times"));
  EXPECT_THAT(text, HasSubstr("    … 5 more\n"));
  EXPECT_THAT(text, HasSubstr("  … and 25 more that fail\n"));
  EXPECT_LT(lines_of(text).size(), 70u);
}

TEST(TextHijack, SaysWhereItIsOver) {
  FindingDescription finding = hijack();
  EXPECT_THAT(shown(only(finding), 100), Not(HasSubstr("over by now")));
  finding.standing = false;
  EXPECT_THAT(shown(only(finding), 100), HasSubstr("confirmed, for 12.0s, over by now"));
}

TEST(TextExposed, NeedsNoHolder) {
  const std::string text = shown(only(exposed()), 100);
  SCOPED_TRACE(text);
  EXPECT_THAT(text, Not(HasSubstr("held by")));
  EXPECT_THAT(text, HasSubstr(R"(
  flock /run/x.lock
  who could  any user, could take it, through /run/x.lock, a read-only descriptor is enough
  lock       /run/x.lock, mode 0644, of root
  used by    x (pid 7)
  what to do: chmod 0600 /run/x.lock
)"));
}

TEST(Duration, FineBelowTenMilliseconds) {
  EXPECT_EQ(fine_duration(0), "<1us");
  EXPECT_EQ(fine_duration(37'999), "37us");
  EXPECT_EQ(fine_duration(1'290'000), "1.2ms");
  EXPECT_EQ(fine_duration(10'000'000), "10ms");
  EXPECT_EQ(fine_duration(2'300'000'000), "2.3s");
}

}  // namespace
}  // namespace lockscope
