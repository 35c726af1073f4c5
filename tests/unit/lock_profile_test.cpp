// SPDX-License-Identifier: Apache-2.0
// What locks cost: sums by class, times from histograms, the places and threads that pay most.
#include "model/lock_profile.h"

#include <gtest/gtest.h>

#include <bit>

#include "model/trace_description.h"
#include "trace_scene.h"

namespace lockscope::test {
namespace {

Durations times(std::initializer_list<std::uint64_t> each) {
  Durations sum;
  for (const std::uint64_t ns : each) {
    ++sum.count;
    sum.total_ns += ns;
    sum.longest_ns = std::max(sum.longest_ns, ns);
    ++sum.histogram[static_cast<std::size_t>(std::bit_width(ns)) - 1];
  }
  return sum;
}

class Profile : public ::testing::Test {
 protected:
  SiteUse& use(const TracedLock& lock, std::uint64_t site, Durations wait, Durations hold) {
    SiteUse u;
    u.lock = lock;
    u.site = site;
    u.acquired = hold.count;
    u.contended = wait.count;
    u.wait = wait;
    u.hold = hold;
    scene.trace.uses.push_back(u);
    return scene.trace.uses.back();
  }
  [[nodiscard]] ProfileDescription profile(std::size_t limit = 10) {
    return profile_locks(scene.trace, scene.names, limit);
  }
  TraceScene scene;
  TracedLock a = scene.symbol(0x100, "a");
  TracedLock b = scene.symbol(0x200, "b");
};

TEST_F(Profile, IsEmptyWithoutLocks) {
  scene.thread();
  const ProfileDescription empty = profile();
  EXPECT_TRUE(empty.locks.empty());
  EXPECT_TRUE(empty.waiters.empty());
  EXPECT_EQ(empty.locks_hidden, 0U);
  EXPECT_EQ(empty.duration.count(), static_cast<std::int64_t>(TraceScene::kEnded - TraceScene::kBegan));
}

TEST_F(Profile, SumsTheInstancesOfAClass) {
  use(scene.heap(0x1000, "x"), 1, times({100}), times({10, 20})).failed = 2;
  use(scene.heap(0x2000, "x"), 1, times({300, 500}), times({70}));
  use(scene.heap(0x2000, "x"), 2, {}, times({1'000})).failed = 1;
  const ProfileDescription sum = profile();
  ASSERT_EQ(sum.locks.size(), 1U);
  const LockProfileEntry& x = sum.locks[0];
  EXPECT_EQ(x.class_name, "app:x");
  EXPECT_EQ(x.instances, 2U);
  EXPECT_EQ(x.acquired, 4U);
  EXPECT_EQ(x.contended, 3U);
  EXPECT_EQ(x.failed, 3U);
  EXPECT_EQ(x.wait.total_ns, 900U);
  EXPECT_EQ(x.wait.mean_ns, 300U);
  EXPECT_EQ(x.hold.count, 4U);
  EXPECT_EQ(x.hold.max_ns, 1'000U);
  EXPECT_EQ(sum.acquired, 4U);
  EXPECT_EQ(sum.contended, 3U);
  ASSERT_EQ(x.holders.size(), 2U);
  EXPECT_EQ(x.holders[0].site.function, "f2");
  EXPECT_EQ(x.holders[1].acquired, 3U);
  ASSERT_EQ(x.waiters.size(), 1U) << "nobody waited at the other place";
  EXPECT_EQ(x.waiters[0].wait.total_ns, 900U);
}

TEST_F(Profile, PercentilesAreUpperEdgesOfBuckets) {
  Durations many;
  many.count = 100;
  many.longest_ns = 5'000;
  many.histogram[6] = 60;  // below 128
  many.histogram[9] = 39;  // below 1024
  many.histogram[12] = 1;  // 4096 and more
  use(a, 1, {}, many);
  LockProfileEntry::Times t = profile().locks[0].hold;
  EXPECT_EQ(t.p50_ns, 128U);
  EXPECT_EQ(t.p99_ns, 1'024U);
  scene.trace.uses[0].hold.histogram[12] = 2;
  EXPECT_EQ(profile().locks[0].hold.p99_ns, 5'000U) << "not above the longest";
  scene.trace.uses[0].hold = times({200});
  t = profile().locks[0].hold;
  EXPECT_EQ(t.p50_ns, 200U);
  EXPECT_EQ(t.mean_ns, 200U);
}

TEST_F(Profile, OfTheLastBucketIsTheLongest) {
  Durations huge;
  huge.count = 1;
  huge.longest_ns = std::uint64_t{1} << 50;
  huge.histogram[kTraceBuckets - 1] = 1;
  use(a, 1, huge, {});
  EXPECT_EQ(profile().locks[0].wait.p50_ns, huge.longest_ns);
}

TEST_F(Profile, NoTimesWhereNothingWasCounted) {
  use(a, 1, {}, {}).failed = 4;
  const LockProfileEntry entry = profile().locks[0];
  EXPECT_EQ(entry.failed, 4U);
  EXPECT_EQ(entry.wait.mean_ns, 0U);
  EXPECT_EQ(entry.wait.p99_ns, 0U);
  EXPECT_TRUE(entry.holders.empty());
  EXPECT_TRUE(entry.waiters.empty());
}

TEST_F(Profile, MostWaitFirstThenMostHold) {
  const TracedLock c = scene.symbol(0x300, "c");
  use(a, 1, {}, times({50}));
  use(b, 1, times({10}), times({5}));
  use(c, 1, {}, times({70}));
  const ProfileDescription all = profile();
  ASSERT_EQ(all.locks.size(), 3U);
  EXPECT_EQ(all.locks[0].class_name, "app:b");
  EXPECT_EQ(all.locks[1].class_name, "app:c");
  EXPECT_EQ(all.locks[2].class_name, "app:a");
  const ProfileDescription two = profile(2);
  EXPECT_EQ(two.locks.size(), 2U);
  EXPECT_EQ(two.locks_hidden, 1U);
  EXPECT_EQ(two.acquired, all.acquired) << "sums are of all";
}

TEST_F(Profile, ShowsThreePlacesThatHoldAndThreeThatWait) {
  for (std::uint64_t site = 1; site <= 5; ++site) use(a, site, times({10 * (6 - site)}), times({100 * site}));
  const LockProfileEntry entry = profile().locks[0];
  ASSERT_EQ(entry.holders.size(), 3U);
  EXPECT_EQ(entry.holders[0].site.function, "f5");
  EXPECT_EQ(entry.holders[2].site.function, "f3");
  ASSERT_EQ(entry.waiters.size(), 3U);
  EXPECT_EQ(entry.waiters[0].site.function, "f1");
}

TEST_F(Profile, APlaceIsOneInAllProcesses) {
  use(a, 1, {}, times({10}));
  SiteUse& other = use(scene.at(0x500, 2), 0x9001, {}, times({20}));
  scene.names.classes[other.lock] = scene.names.classes[a];
  scene.place(1, "f");
  scene.names.points[{2, 0x9001}] = scene.names.points[{1, 1}];
  const LockProfileEntry entry = profile().locks.at(0);
  ASSERT_EQ(entry.holders.size(), 1U);
  EXPECT_EQ(entry.holders[0].hold.total_ns, 30U);
}

TEST_F(Profile, ThreadsThatWaitedMost) {
  for (std::uint64_t i = 0; i < 4; ++i) {
    TracedThread& t = scene.trace.threads[scene.thread()];
    t.waits = i;
    t.waited_ns = 100 * i;
  }
  const ProfileDescription both = profile(2);
  ASSERT_EQ(both.waiters.size(), 2U);
  EXPECT_EQ(both.waiters[0].waited_ns, 300U);
  EXPECT_EQ(both.waiters[0].thread.tid, TraceScene::kPid + 3);
  EXPECT_EQ(profile().waiters.size(), 3U) << "one never waited";
}

TEST(TraceDescription, LeavesOutWhatIsUnknown) {
  FrameDescription frame = frame_of({});
  EXPECT_FALSE(frame.address || frame.function || frame.module || frame.offset || frame.file || frame.line);
  frame = frame_of({.address = 7, .module = "/lib/x.so", .function = "", .offset = 0, .file = "", .line = 3});
  EXPECT_EQ(frame.address, 7U);
  EXPECT_EQ(frame.module, "/lib/x.so");
  EXPECT_EQ(frame.offset, 0U);
  EXPECT_FALSE(frame.line) << "a line of no file";
  frame = frame_of({.address = 7, .module = "", .function = "f", .offset = 2, .file = "f.c", .line = 3});
  EXPECT_EQ(frame.function, "f");
  EXPECT_EQ(frame.line, 3U);
  EXPECT_FALSE(lock_of({1, 0x10}, LockKind::spin, {}).class_name);
  EXPECT_EQ(lock_of({1, 0x10}, LockKind::spin, {.name = "x:y"}).class_name, "x:y");
  EXPECT_EQ(name_of_error(16), "EBUSY");
  EXPECT_EQ(name_of_error(12345), "error 12345");
}

}  // namespace
}  // namespace lockscope::test
