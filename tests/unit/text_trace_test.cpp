// SPDX-License-Identifier: Apache-2.0
// Lock orders, misuse and the lock profile as people read them.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "exporters/text/escape.h"
#include "exporters/text/phrases.h"
#include "exporters/text/text_exporter.h"
#include "exporters/utf8.h"
#include "trace_reports.h"

namespace lockscope {
namespace {

using namespace sample_reports;
using testing::HasSubstr;
using testing::Not;

std::string shown(const Report& report, std::size_t width, bool quiet = false) {
  std::ostringstream out;
  TextExporter().write(report, {.color = false, .width = width, .quiet = quiet}, out);
  return out.str();
}

std::string shown(const FindingDescription& finding, std::size_t width) {
  Report report = traced_run();
  report.findings = {finding};
  return shown(report, width);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(TextOrders, AreDrawnAsARing) {
  EXPECT_THAT(shown(inversion(), 100), HasSubstr(R"(
g_accounts and g_log are taken in both orders

  ┌▶ worker  pid 1234 tid 1236  17 times
  │    took            mutex bank:g_accounts  in transfer+0x1c (bank)
  │    then asked for  mutex bank:g_log       in transfer+0x3a (bank)
  ├▶ auditor  pid 1234 tid 1237  once
  │    took            mutex bank:g_log       in audit+0x11 (bank)
  └──  then asked for  mutex bank:g_accounts  in sum_of_accounts+0x2b (bank)
  seen  the orders 17, 1 times in all, by 1, 1 threads, the same locks each time
  what to do: take g_accounts and g_log in one order everywhere
)"));
}

TEST(TextOrders, HavePlacesBelowWhereNamesAreLong) {
  FindingDescription finding = inversion();
  finding.orders[1].wanted_site.function = "Bank::sum_of(std::vector<Account, std::allocator<Account> > const&, int)";
  EXPECT_THAT(shown(finding, 80), HasSubstr(R"(
  ├▶ auditor  pid 1234 tid 1237  once
  │    took            mutex bank:g_log
  │                    in audit+0x11 (bank)
  └──  then asked for  mutex bank:g_accounts
                       in Bank::sum_of(s…tor<Account> > const&, int)+0x2b (bank)
)"));
  EXPECT_THAT(shown(finding, 200), HasSubstr("g_accounts  in Bank::sum_of(std::vector<Account, "));
}

TEST(TextOrders, TellLocksOfOneClassApart) {
  EXPECT_THAT(shown(inversion(), 100), Not(HasSubstr("mutex bank:g_accounts at")));
  FindingDescription finding = inversion();
  const LockDescription one = lock_of_class("bank:make_account+0x1c", 0x1000);
  const LockDescription other = lock_of_class("bank:make_account+0x1c", 0x2000);
  finding.orders[0].held = finding.orders[1].wanted = one;
  finding.orders[0].wanted = finding.orders[1].held = other;
  const std::string text = shown(finding, 120);
  EXPECT_THAT(text, HasSubstr("took            mutex bank:make_account+0x1c at 0x1000  in transfer"));
  EXPECT_THAT(text, HasSubstr("then asked for  mutex bank:make_account+0x1c at 0x2000  in transfer"));
}

TEST(TextOrders, ALongRingIsCut) {
  FindingDescription finding = inversion();
  finding.orders.resize(300, finding.orders[1]);
  const std::string text = shown(finding, 100);
  EXPECT_THAT(text, HasSubstr("  ┊  287 more, each asking for what the next took\n"));
  EXPECT_LT(lines_of(text).size(), 90u);
}

TEST(TextOrders, NamesWhatIsKnownOnly) {
  FindingDescription finding = inversion();
  finding.orders[0].held.class_name.reset();
  finding.orders[0].held_site = {};
  finding.orders[0].wanted_site.function.reset();
  const std::string text = shown(finding, 100);
  EXPECT_THAT(text, HasSubstr("took            mutex 0x55d000004040   in unknown code\n"));
  EXPECT_THAT(text, HasSubstr("then asked for  mutex bank:g_log       in bank+0x3a\n"));
}

TEST(TextEvents, StandBelowTheirThreadInTheirOrder) {
  EXPECT_THAT(shown(ignored_failure(), 100), HasSubstr(R"(
  mutex 0x55d000004080 (bank:g_log)
  worker  pid 1234 tid 1236
    12:00:01 UTC  failed    in append+0x14 (bank) → EBUSY
          +1.5ms  released  in append+0x2e (bank)
  seen  3 times
  what to do: mend it
)"));
}

TEST(TextEvents, NameEachThreadAndOtherLocks) {
  FindingDescription finding = misuse("unlock_not_owner", 832,
                                      {event("acquired", thread("owner", 1234, 1235), place("lend", 4), 0),
                                       event("released", thread("thief", 1234, 1239), place("steal", 8), 2 * kSecond)});
  finding.events[1].lock = accounts();
  finding.holders = {held_by(thread("owner", 1234, 1235))};
  EXPECT_THAT(shown(finding, 100), HasSubstr(R"(
  held then by  owner  pid 1234 tid 1235
  owner  pid 1234 tid 1235
    12:00:00 UTC  acquired  in lend+0x4 (bank)
  thief  pid 1234 tid 1239
           +2.0s  released  mutex bank:g_accounts at 0x55d000004040 in steal+0x8 (bank)
)"));
}

TEST(TextEvents, NeedNeitherTimeNorPlace) {
  FindingDescription finding = misuse(
      "exit_while_holding", 667,
      {event("acquired", thread("w", 1, 2), place("f", 0), 0), event("exited", thread("w", 1, 2), place("g", 0), 0)});
  finding.events[0].time.reset();
  finding.events[1].site.reset();
  EXPECT_THAT(shown(finding, 80), HasSubstr("\n                  acquired  in f (bank)\n    12:00:00 UTC  exited\n"));
  finding.events[1].time.reset();
  EXPECT_THAT(shown(finding, 80), HasSubstr("\n    acquired  in f (bank)\n    exited\n"));
}

TEST(TextEvents, ManyAreCounted) {
  FindingDescription finding = ignored_failure();
  finding.events.resize(300, finding.events[1]);
  const std::string text = shown(finding, 80);
  EXPECT_THAT(text, HasSubstr("    … 280 more\n"));
  EXPECT_LT(lines_of(text).size(), 80u);
}

TEST(TextProfile, IsATable) {
  const std::string text = shown(traced_run(), 80);
  SCOPED_TRACE(text);
  EXPECT_EQ(text.substr(0, text.find("web1")), R"(No deadlock and no misuse of a lock was seen.

Lock profile over 12.0s  (10000700 acquisitions, 1234 contended)
      acquired   contended                 total    mean     p50     p99     max
   1  mutex bank:g_accounts  (7 failed tries)
      10000000        1234 (<0.1%)  wait    1.6s   1.2ms   1.2ms    12ms    12ms
                                    hold    3.2s    <1us    <1us    40ms    40ms
   2  rwlock libpool.so.2:pool_create+0x44  (64 locks)
           640           0 (0%)     wait       -       -       -       -       -
                                    hold   700us     1us     1us    90us    90us
  … 3 more classes of locks: waited for less, or held for less

Where these locks are taken  (held, waited for: the longest in all)
   1  mutex bank:g_accounts
      held     total    mean     max       times  in
                2.0s    <1us    30ms     9000000  transfer+0x1c (bank)
                1.2s     1us    40ms     1000000  audit+0x11 (bank)
      waited   total    mean     max       times  in
                1.0s   1.0ms    12ms        1000  transfer+0x1c (bank)
               600ms   2.5ms   5.0ms         234  audit+0x11 (bank)
   2  rwlock libpool.so.2:pool_create+0x44
      held     total    mean     max       times  in
               700us     1us    90us         640  pool_get+0x30 (libpool.so.2)

Threads that waited longest
      1.0s  in       1000 waits  worker  pid 1234 tid 1236
     600ms  in        234 waits  auditor  pid 1234 tid 1237

Ran ./bank --threads 8: status 0
)");
}

TEST(TextProfile, SharesAreRounded) {
  Report report = traced_run();
  const auto share = [&report](std::uint64_t contended, std::uint64_t acquired) {
    report.profile->locks[0].contended = contended;
    report.profile->locks[0].acquired = acquired;
    const std::string row = lines_of(shown(report, 80))[5];
    const std::size_t from = row.find('(');
    return from == std::string::npos ? "" : row.substr(from, row.find(')') - from + 1);
  };
  EXPECT_EQ(share(1, 8), "(12.5%)");
  EXPECT_EQ(share(9'999'999, 10'000'000), "(100%)");
  EXPECT_EQ(share(1, 10'000'000), "(<0.1%)");
  EXPECT_EQ(share(0, 5), "(0%)");
  EXPECT_EQ(share(0, 0), "");
}

TEST(TextProfile, APlaceThatNeverWaitedIsNotSaidToWait) {
  const std::string without = shown(traced_run(), 80);
  Report report = traced_run();
  report.profile->locks[1].waiters = report.profile->locks[1].holders;
  EXPECT_EQ(shown(report, 80), without);
}

TEST(TextProfile, LargeOnesAreCut) {
  Report report = traced_run();
  report.profile->locks.resize(30, report.profile->locks[1]);
  report.profile->locks[0].holders.resize(10, report.profile->locks[0].holders[0]);
  report.profile->waiters.resize(30, report.profile->waiters[1]);
  const std::string text = shown(report, 80);
  EXPECT_THAT(text, HasSubstr("  … 13 more classes of locks: "));
  EXPECT_THAT(text, HasSubstr("  … 20 more (--json has all)\n"));
  EXPECT_LT(lines_of(text).size(), 120u);
}

TEST(TextProfile, IsLeftOutWhereQuietOrNotTraced) {
  Report report = traced_run();
  EXPECT_EQ(shown(report, 80, true), "");
  report.findings = {inversion()};
  EXPECT_THAT(shown(report, 80, true), HasSubstr("then asked for"));
  EXPECT_THAT(shown(report, 80, true), Not(HasSubstr("Lock profile")));
  EXPECT_THAT(shown(report, 80, true), Not(HasSubstr("Ran ")));
  EXPECT_THAT(shown(quiet_host(), 80), Not(HasSubstr("Lock profile")));
}

TEST(TextTrace, ClearsOnlyWhatItSaw) {
  const char* innocence = "No deadlock and no misuse of a lock was seen";
  Report report = traced_run();
  EXPECT_THAT(shown(report, 80), Not(HasSubstr("thread was seen")));
  EXPECT_THAT(shown(report, 80), Not(HasSubstr("self-deadlock")));
  for (const FindingDescription& finding : {inversion(), ignored_failure(), deadlock()}) {
    report.findings = {finding};
    EXPECT_THAT(shown(report, 80), Not(HasSubstr(innocence))) << finding.kind;
  }
  report.findings = {misuse("long_hold", 667, {event("acquired", thread("w", 1, 2), place("f", 0), 0)})};
  EXPECT_THAT(shown(report, 80), HasSubstr(innocence));
  report.findings.clear();
  report.coverage.lost_events = {{"ring_full", 1}};
  EXPECT_THAT(shown(report, 80), HasSubstr("of a lock was seen; but not all was seen.\n"));
  report.profile = ProfileDescription{};
  EXPECT_THAT(shown(report, 80), HasSubstr("this report says nothing about locks.\n"));
  EXPECT_THAT(shown(report, 80), Not(HasSubstr("Lock profile")));
  EXPECT_THAT(shown(quiet_host(), 80), HasSubstr("no self-deadlock")) << "a look at the host says what it did";
}

TEST(TextTrace, SaysHowTheCommandEnded) {
  Report report = traced_run();
  report.command->arguments = {"a b", "", std::string(500, 'x')};
  report.command->exit_status.reset();
  EXPECT_THAT(shown(report, 80), HasSubstr("Ran a b ''\n  xxx"));
  report.command->arguments = {"./bank"};
  EXPECT_THAT(shown(report, 80), HasSubstr("Ran ./bank: not ended\n"));
  report.command->signal = 11;
  EXPECT_THAT(shown(report, 80), HasSubstr("ended by signal 11 (SIGSEGV)\n"));
  report.command->arguments.resize(300, "x");
  EXPECT_THAT(shown(report, 80), HasSubstr("… 284 more: ended by"));
}

Report extreme_run() {
  const std::string longest(300, 'n');
  Report report = traced_run();
  report.findings = {inversion(), ignored_failure()};
  LockOrderDescription& order = report.findings[0].orders[0];
  order.held.kind = LockKind::priority_protect_mutex;
  order.held.class_name = longest;
  order.held_site.function = longest;
  order.wanted_site.module = longest;
  order.wanted_site.file = longest;
  order.thread = thread(std::string(15, 'w'), 2147483647, 2147483647);
  order.thread.exe = "/" + longest;
  LockEventDescription& event = report.findings[1].events[1];
  event.thread = order.thread;
  event.site = order.wanted_site;
  event.lock->class_name = report.findings[1].lock->class_name = longest;
  event.lock->address = ~std::uint64_t{0};
  event.verb = event.error.emplace(longest);
  LockProfileEntry& lock = report.profile->locks[0];
  lock.class_name = longest;
  lock.kind = LockKind::priority_protect_mutex;
  lock.instances = lock.acquired = lock.contended = lock.failed = ~std::uint64_t{0};
  lock.wait = lock.hold = times(~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0});
  lock.wait.mean_ns = ~std::uint64_t{0};
  lock.holders[0].hold = lock.waiters[0].wait = lock.wait;
  lock.holders[0].site.function = longest;
  report.profile->waiters[0] = {.thread = order.thread, .waits = ~std::uint64_t{0}, .waited_ns = ~std::uint64_t{0}};
  report.command->arguments = {longest, longest};
  return report;
}

TEST(TextTrace, FitsTheWidth) {
  for (const std::size_t width : {80u, 81u, 100u, 132u, 200u}) {
    for (const std::string& line : lines_of(shown(extreme_run(), width))) EXPECT_LE(width_of(line), width) << line;
  }
  EXPECT_THAT(shown(extreme_run(), 0), HasSubstr(std::string(300, 'n') + "+0x1c (bank)"));
}

TEST(TextTrace, NothingOfAProcessReachesTheTerminalRaw) {
  const std::string evil = "\x1b]0;x\x07\n\xc2\x9b\xff\u202e";
  Report report = extreme_run();
  report.command->arguments = {evil, evil};
  for (FindingDescription& finding : report.findings) {
    if (finding.lock) finding.lock->class_name = evil;
    for (LockOrderDescription& order : finding.orders) {
      order.thread.comm = *(order.thread.exe = evil);
      order.held.class_name = order.wanted.class_name = evil;
      order.held_site.function = order.held_site.module = order.held_site.file = evil;
      order.wanted_site = order.held_site;
    }
    for (LockEventDescription& one : finding.events) {
      one.verb = *(one.error = evil);
      one.thread.comm = evil;
      one.lock->class_name = evil + "x";
      one.site->function.reset();
      one.site->module = evil;
    }
  }
  for (LockProfileEntry& lock : report.profile->locks) {
    lock.class_name = evil;
    for (LockProfileEntry::Site& site : lock.holders) site.site.function = site.site.module = evil;
  }
  for (ProfileDescription::Waiter& waiter : report.profile->waiters) waiter.thread.comm = evil;
  for (const std::size_t width : {0u, 80u, 200u}) {
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

TEST(Place, IsNamedAsFarAsItIsKnown) {
  FrameDescription frame;
  EXPECT_EQ(place_phrase(frame, 80), "unknown code");
  frame.address = 0x55d0;
  EXPECT_EQ(place_phrase(frame, 80), "0x55d0");
  frame.module = "/usr/lib/libpool.so.2";
  frame.offset = 0x11c0;
  EXPECT_EQ(place_phrase(frame, 80), "libpool.so.2+0x11c0");
  frame.function = "pool_get";
  frame.offset = 0;
  EXPECT_EQ(place_phrase(frame, 80), "pool_get (libpool.so.2)");
  frame.offset = 0x1c;
  frame.file = "src/pool.c";
  frame.line = 42;
  EXPECT_EQ(place_phrase(frame, 80), "pool_get+0x1c (libpool.so.2, pool.c:42)");
  EXPECT_EQ(place_phrase(frame, 20), "pool_get+0x1c") << "the function matters most";
  frame.function = "pool_get_one_that_is_free";
  EXPECT_EQ(place_phrase(frame, 20), "pool_…t_is_free+0x1c");
}

}  // namespace
}  // namespace lockscope
