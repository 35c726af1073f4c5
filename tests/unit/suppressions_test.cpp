// SPDX-License-Identifier: Apache-2.0
#include "app/suppressions.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <random>

namespace lockscope {
namespace {

FrameDescription site(std::string function, std::string module) {
  FrameDescription frame;
  if (!function.empty()) frame.function = std::move(function);
  if (!module.empty()) frame.module = std::move(module);
  return frame;
}

LockDescription lock_of(std::string name) {
  LockDescription lock;
  lock.class_name = std::move(name);
  return lock;
}

// Two locks taken in two orders, by an application and a library.
FindingDescription inversion() {
  FindingDescription finding;
  finding.kind = "lock_order_inversion";
  finding.fingerprint = "0123456789abcdef";
  for (const bool swapped : {false, true}) {
    LockOrderDescription order;
    order.held = lock_of(swapped ? "libfoo.so.1:g_cache_lock" : "app:table+0x40");
    order.wanted = lock_of(swapped ? "app:table+0x40" : "libfoo.so.1:g_cache_lock");
    order.held_site = site(swapped ? "foo::flush()" : "transfer(Account&, Account&)",
                           swapped ? "/opt/foo/lib/libfoo.so.1" : "/usr/bin/app");
    order.wanted_site = site(swapped ? "foo::flush()" : "", swapped ? "/opt/foo/lib/libfoo.so.1" : "/usr/bin/app");
    finding.orders.push_back(order);
  }
  return finding;
}

FindingDescription misuse() {
  FindingDescription finding;
  finding.kind = "double_unlock";
  LockEventDescription event;
  event.verb = "released";
  event.site = site("main", "/usr/bin/app");
  event.lock = lock_of("app:main_lock");
  finding.events.push_back(event);
  return finding;
}

Suppressions parsed(std::string_view text) {
  auto result = Suppressions::parse(text, "test");
  EXPECT_TRUE(result) << text << "\n" << (result ? "" : result.error().line());
  return std::move(result).value_or(Suppressions{});
}

bool suppresses(const std::string& lines, const FindingDescription& finding) {
  return parsed("{\nname\n" + lines + "\n}\n").match(finding).has_value();
}

TEST(Suppressions, MatchKindFunctionLibraryAndLock) {
  for (const char* lines :
       {"lock_order_inversion", "lock_order_*", "*\nfun:transfer*", "*\nfun:foo::flush()",
        "lock_order_inversion\nlib:*/libfoo.so*", "*\nlib:libfoo.so.1", "*\nlib:app", "*\nlib:/usr/bin/app",
        "*\nlock:libfoo.so*:g_cache*", "*\nlock:app:table+0x*",
        "lock_order_inversion\nfun:transfer*\nfun:foo::*\nlib:libfoo*\nlock:app:*\nlock:libfoo*", "?ock_[a-o]rder_*"}) {
    EXPECT_TRUE(suppresses(lines, inversion())) << lines;
  }
}

TEST(Suppressions, MatchOnlyIfEveryLineDoes) {
  for (const char* lines : {"double_unlock", "lock_order", "*\nfun:transfer", "*\nfun:flush", "*\nfun:Transfer*",
                            "*\nlib:libfoo.so", "*\nlib:foo", "*\nlib:/usr/bin", "*\nlock:g_cache_lock",
                            "*\nlock:app:table", "lock_order_inversion\nfun:transfer*\nfun:bar*",
                            "double_unlock\nfun:transfer*", "lock_order_inversion\nfun:transfer*\nlib:libbar*",
                            "lock_order_inversion\nlock:app:*\nlock:libbar*", "?ock_[!a-o]rder_*"}) {
    EXPECT_FALSE(suppresses(lines, inversion())) << lines;
  }
}

TEST(Suppressions, LookAtEventsAndAtTheLocksOfWaits) {
  EXPECT_TRUE(suppresses("double_unlock\nfun:main\nlib:app\nlock:app:main_lock", misuse()));
  EXPECT_FALSE(suppresses("double_unlock\nfun:other", misuse()));
  FindingDescription replaced = misuse();
  replaced.events[0].site = site("main", "/usr/lib/libfoo.so (deleted)");
  EXPECT_TRUE(suppresses("double_unlock\nlib:libfoo.so", replaced));
  EXPECT_TRUE(suppresses("double_unlock\nlib:/usr/lib/libfoo.so", replaced));
  FindingDescription finding;
  finding.kind = "long_hold";
  EXPECT_FALSE(suppresses("*\nlock:*", finding)) << "what is not known matches nothing";
  EXPECT_FALSE(suppresses("*\nfun:*", finding));
  EXPECT_FALSE(suppresses("*\nlib:*", finding));
  finding.lock = lock_of("app:a");
  EXPECT_TRUE(suppresses("*\nlock:app:a", finding));
  finding.cycle.emplace_back().lock = lock_of("app:b");
  EXPECT_TRUE(suppresses("*\nlock:app:b", finding));
  EXPECT_FALSE(suppresses("*\nlock:app:c", finding));
}

TEST(Suppressions, CountWhatTheyWereUsedFor) {
  auto suppressions = parsed(
      "# both match the inversion: the first one gets it\n"
      "{\n  the transfer\n  lock_order_inversion  # ever\n  fun:transfer*\n}\n\n"
      "{\r\n\tanything of app\r\n\t*\r\n\tlib:app\r\n}\r\n"
      "{ # a name may look like a line\n fun:x\n never\n}");
  EXPECT_EQ(suppressions.match(inversion()), "the transfer");
  EXPECT_EQ(suppressions.match(inversion()), "the transfer");
  EXPECT_EQ(suppressions.match(misuse()), "anything of app");
  EXPECT_EQ(suppressions.match(FindingDescription{}), std::nullopt);
  ASSERT_EQ(suppressions.uses().size(), 3U);
  EXPECT_EQ(suppressions.uses()[0].count, 2U);
  EXPECT_EQ(suppressions.uses()[1].count, 1U);
  EXPECT_EQ(suppressions.uses()[2].name, "fun:x");
  EXPECT_EQ(suppressions.uses()[2].count, 0U);
  EXPECT_EQ(parsed("").match(inversion()), std::nullopt);
  EXPECT_EQ(parsed("# nothing\n\n").uses().size(), 0U);
}

TEST(Suppressions, ANumberSignWithinAWordBeginsNoComment) {
  FindingDescription finding = misuse();
  finding.events[0].site = site("main::{lambda()#2}::operator()() const", "/usr/bin/app");
  EXPECT_TRUE(suppresses("*\nfun:main::{lambda()#2}::* # the second", finding));
  EXPECT_FALSE(suppresses("*\nfun:main::{lambda()#1}::*", finding));
}

TEST(Suppressions, ErrorsSayWhere) {
  const std::string long_line(Suppressions::kMaxLine + 1, 'x');
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"lock_order_inversion\n", "file:1:1"},
      {"\n  }\n", "file:2:3"},
      {"{ name\n", "file:1:1"},
      {"{\n}\n", "file:2:1"},
      {"# only a comment in it\n{\n  # name\n}\n", "file:4:1"},
      {"{\n  name\n}\n", "file:3:1"},
      {"{\n  name\n  fun:f\n}\n", "file:3:3"},
      {"{\n  name\n  Long Hold\n}\n", "file:3:3"},
      {"{\n  name\n  long_hold\n  obj:lib\n}\n", "file:4:3"},
      {"{\n  name\n  long_hold\n  main\n}\n", "file:4:3"},
      {"{\n  name\n  long_hold\n  fun: # what?\n}\n", "file:4:3"},
      {"{\n  name\n  long_hold\n  FUN:f\n}\n", "file:4:3"},
      {"{\n  name\n  long_hold\n", "file:1:1"},
      {"{\n  name\n  long_hold\n{\n", "file:4:1"},
      {"{\n  name\n  *\n}\n", "file:4:1"},
      {"{\n  name\n  long_hold\n}\n}\n", "file:5:1"},
      {"{\n" + long_line + "\n", "file:2:4097"},
      {std::string("{\n na\0me\n", 9), "file:2:4"},
      {"{\n name\n long_hold\n fun:\x1b[2J\n}\n", "file:4:6"},
      {std::string(Suppressions::kMaxFile + 1, '\n'), "file:1:1"},
  };
  for (const auto& [text, place] : wrong) {
    const auto result = Suppressions::parse(text, "file");
    ASSERT_FALSE(result) << text.substr(0, 100);
    EXPECT_EQ(result.error().kind, ErrorKind::usage);
    EXPECT_EQ(result.error().what, place) << text.substr(0, 100) << result.error().why;
    EXPECT_FALSE(result.error().why.empty());
  }
  EXPECT_TRUE(Suppressions::parse("{\n" + long_line.substr(1) + "\nlong_hold\n}\n", "file"));
  EXPECT_TRUE(Suppressions::parse(std::string(Suppressions::kMaxFile, '\n'), "file"));
}

// Patterns of the user over names of somebody else: if each star were tried at each place, the test would not end.
TEST(Suppressions, ManyStarsAreNoTrap) {
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "*a";
  FindingDescription finding = misuse();
  finding.events[0].site = site(std::string(1000, 'a'), "");
  EXPECT_TRUE(suppresses("*\nfun:" + pattern, finding));
  EXPECT_FALSE(suppresses("*\nfun:" + pattern + "b", finding));
}

TEST(Suppressions, ReadAFile) {
  char path[] = "/tmp/lockscope-suppressions-XXXXXX";
  const int fd = ::mkstemp(path);
  ASSERT_GE(fd, 0);
  ::close(fd);
  std::ofstream(path) << "{\nname\ndouble_unlock\n}\n";
  auto read = Suppressions::read(path);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->match(misuse()), "name");
  std::ofstream(path) << "{\n";
  EXPECT_EQ(Suppressions::read(path).error().what, std::string(path) + ":1:1");
  std::ofstream(path) << std::string(Suppressions::kMaxFile + 5, '\n');
  EXPECT_EQ(Suppressions::read(path).error().kind, ErrorKind::usage);
  EXPECT_EQ(Suppressions::read("/dev/zero").error().kind, ErrorKind::usage) << "without end";
  ::unlink(path);
  EXPECT_EQ(Suppressions::read(path).error().kind, ErrorKind::usage);
  EXPECT_EQ(Suppressions::read("/tmp").error().kind, ErrorKind::usage);
}

TEST(SuppressionFor, NamesFunctionsAndLocksWithoutTheirOffsets) {
  EXPECT_EQ(suppression_for(inversion()),
            "{\n"
            "  lock_order_inversion 0123456789abcdef\n"
            "  lock_order_inversion\n"
            "  fun:transfer(Account&, Account&)\n"
            "  fun:foo::flush()\n"
            "  lib:app\n"
            "  lock:app:table+0x*\n"
            "  lock:libfoo.so.1:g_cache_lock\n"
            "}\n");
  FindingDescription nameless;
  nameless.kind = "long_hold";
  EXPECT_EQ(suppression_for(nameless), "") << "it would suppress every long hold";
  nameless.lock = lock_of("app+0x4060");
  EXPECT_EQ(suppression_for(nameless), "{\n  long_hold\n  long_hold\n  lock:app+0x4060\n}\n");
}

TEST(SuppressionFor, SuppressesThisFindingAndNoOther) {
  auto suppressions = parsed(suppression_for(inversion()));
  EXPECT_TRUE(suppressions.match(inversion()));
  FindingDescription rebuilt = inversion();
  rebuilt.orders[0].held = rebuilt.orders[1].wanted = lock_of("app:table+0x80");
  EXPECT_TRUE(suppressions.match(rebuilt));
  EXPECT_FALSE(suppressions.match(misuse()));
  FindingDescription other = inversion();
  for (LockOrderDescription& order : other.orders) order.held = order.wanted = lock_of("app:other");
  EXPECT_FALSE(suppressions.match(other));
  other = inversion();
  other.orders.pop_back();
  EXPECT_FALSE(suppressions.match(other)) << "one of the two functions alone";
}

// Names come out of other people's files: whatever they are, what is printed can be pasted, is one entry, and works.
TEST(SuppressionFor, HostileNames) {
  const auto check = [](const std::string& name) {
    FindingDescription finding = misuse();
    finding.events[0].site = site(name, "/lib/" + name);
    finding.events.push_back(finding.events[0]);
    finding.events[1].site = site("", "/lib/" + name);
    finding.lock = lock_of(name);
    const std::string text = suppression_for(finding);
    for (const char c : text) ASSERT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << text;
    auto suppressions = parsed(text);
    ASSERT_EQ(suppressions.uses().size(), 1U) << text;
    ASSERT_TRUE(suppressions.match(finding)) << text;
    if (name.size() > 900) return;  // cut, so that others that begin like it match too
    FindingDescription other = finding;
    for (LockEventDescription& event : other.events) event.site = site("x" + name, "/lib/x" + name);
    other.lock = lock_of("x" + name);
    ASSERT_FALSE(suppressions.match(other)) << text;
  };
  for (const char* name : {"*",
                           "**",
                           "?",
                           "[",
                           "]",
                           "[a]",
                           "[]a]",
                           "[!a]",
                           "\\",
                           "\\\\",
                           "a\\",
                           "a b",
                           " a",
                           "a ",
                           " ",
                           "#",
                           "a #b",
                           " # ",
                           "}",
                           "{",
                           "f\n}\n{\nall\n*\nfun:*",
                           "\x1b[2J",
                           "\xff\xfe",
                           "r\xc3\xa9sum\xc3\xa9",
                           "\r",
                           "\t#\t",
                           "fun:x",
                           "lock:",
                           "operator[](int*)",
                           "operator*",
                           "a+0x2a",
                           "b:a+0x2a",
                           "b:a +0x2a",
                           "b:+0x",
                           "-"}) {
    check(name);
    if (HasFatalFailure()) FAIL() << name;
  }
  for (const std::size_t size : {1020U, 1023U, 1024U, 1025U, 4000U, 100'000U}) {
    for (const char* piece : {"x", "\\", "*", "x\\", " ", "#", " #", "\n"}) {
      std::string name;
      while (name.size() < size) name += piece;
      check(name);
      if (HasFatalFailure()) FAIL() << size << piece;
    }
  }
  check("x" + std::string(1000, '\\'));  // cut within an escape
  if (HasFatalFailure()) FAIL();
  std::mt19937 random(3);
  constexpr std::string_view kBytes = "a*?[]!^-\\ #{}:+0x\n\t\x01\xc3\x7f/";
  for (int round = 0; round < 3000; ++round) {
    std::string name;
    for (std::size_t size = 1 + random() % 12; size > 0; --size) name += kBytes[random() % kBytes.size()];
    if (name.ends_with('/') || name.find('/') != std::string::npos) name += 'a';
    check(name);
    if (HasFatalFailure()) FAIL() << "round " << round;
  }
}

}  // namespace
}  // namespace lockscope
