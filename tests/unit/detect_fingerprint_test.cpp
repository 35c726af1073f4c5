// SPDX-License-Identifier: Apache-2.0
// Fingerprints: the same for the same standing thing, another for another; and the table of detectors.
#include <gtest/gtest.h>

#include <set>

#include "detect/fingerprint.h"
#include "look_builder.h"

namespace lockscope::test {
namespace {

LookBuilder pair() {
  LookBuilder look;
  const auto a = look.thread(10, 11);
  const auto b = look.thread(10, 12);
  look.wait_for(a, 0x100, b);
  look.wait_for(b, 0x200, a);
  return look;
}

std::string of(const LookBuilder& look) {
  const std::vector<std::size_t> waits{0, 1};
  return fingerprint_of("deadlock", look.sample, waits);
}

TEST(Fingerprint, IsSixteenHexDigitsAndTheSameForEver) {
  // A changed value here is a changed name of every finding that somebody has silenced or linked to.
  EXPECT_EQ(of(pair()), "02834a830e46189a");
}

TEST(Fingerprint, OrderOfWaitsDoesNotMatter) {
  LookBuilder look = pair();
  std::swap(look.sample.waits[0], look.sample.waits[1]);
  EXPECT_EQ(of(look), of(pair()));
}

TEST(Fingerprint, NothingThatASourceMakesUpMatters) {
  LookBuilder look = pair();
  for (Thread& t : look.sample.raw.threads) t.address_space = 77;
  for (Wait& w : look.sample.waits) {
    std::get<PrivateWord>(w.lock.place).address_space = 77;
    w.fingerprint = 0;
    w.blocked_ns.reset();
  }
  look.sample.raw.threads[0].id.start_ns += 9'999'999;  // /proc counts in hundredths of a second
  EXPECT_EQ(of(look), of(pair()));
}

TEST(Fingerprint, AnotherThreadLockOrKindIsAnother) {
  std::set<std::string> seen{of(pair())};
  LookBuilder look = pair();
  look.sample.raw.threads[1].id.tid = 13;
  EXPECT_TRUE(seen.insert(of(look)).second);
  look = pair();
  look.sample.raw.threads[1].id.start_ns += kSecond;
  EXPECT_TRUE(seen.insert(of(look)).second);
  look = pair();
  look.at(1).lock.place = PrivateWord{10, 0x208};
  EXPECT_TRUE(seen.insert(of(look)).second);
  look = pair();
  look.at(1).lock.place = SharedPlace{{.dev = 0, .ino = 10}, 0x200};
  EXPECT_TRUE(seen.insert(of(look)).second);
  look.at(1).lock.place = SharedPlace{{.dev = 0, .ino = 10}, 0x208};
  EXPECT_TRUE(seen.insert(of(look)).second);
  look.at(1).lock.place = FileRange{{.dev = 0, .ino = 10}, true};
  EXPECT_TRUE(seen.insert(of(look)).second);
  look.at(1).lock.place = FileRange{{.dev = 0, .ino = 10}, false};
  EXPECT_TRUE(seen.insert(of(look)).second);
  look.at(1).lock.place = ThreadEnd{{11, 0}};
  EXPECT_TRUE(seen.insert(of(look)).second);
  look.at(1).lock.place = SysvSet{11};
  EXPECT_TRUE(seen.insert(of(look)).second);
  const std::vector<std::size_t> waits{0, 1};
  EXPECT_TRUE(seen.insert(fingerprint_of("self_deadlock", look.sample, waits)).second);
}

TEST(Catalog, NamesAreOfTheDesignAndUnique) {
  std::set<std::string> names;
  std::set<std::pair<std::string, std::string>> entries;  // several detectors may report one kind of finding
  for (const CatalogEntry& entry : detector_catalog()) {
    names.insert(entry.name);
    EXPECT_TRUE(entries.emplace(entry.name, entry.description).second);
    EXPECT_GT(entry.cwe, 0);
    EXPECT_STRNE(entry.description, "");
    EXPECT_NE(entry.make(), nullptr);
  }
  EXPECT_EQ(names, (std::set<std::string>{"deadlock", "self_deadlock", "abandoned_lock", "long_hold", "exposed_lock",
                                          "lock_hijack", "starvation", "lock_convoy", "priority_inversion",
                                          "ignored_lock_failure", "unlocked_write", "lock_order_inversion",
                                          "unlock_not_locked", "double_unlock", "unlock_not_owner", "relock",
                                          "destroyed_while_locked", "exit_while_holding"}));
}

TEST(Names, AreUniquePerEnumeration) {
  std::set<std::string> kinds;
  for (int kind = 0; kind <= static_cast<int>(LockKind::futex); ++kind) {
    EXPECT_TRUE(kinds.insert(name_of(static_cast<LockKind>(kind))).second);
  }
  EXPECT_STREQ(name_of(LockKind::recursive_mutex), "recursive_mutex");
  EXPECT_STREQ(name_of(Evidence::kernel), "kernel");
  EXPECT_STREQ(name_of(Severity::critical), "critical");
  EXPECT_STREQ(name_of(Confidence::likely), "likely");
}

}  // namespace
}  // namespace lockscope::test
