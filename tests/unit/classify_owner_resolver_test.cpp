// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/classify_scenes.h"

namespace lockscope::test {
namespace {

using Mapping = ProcessMemory::Mapping;

Scene mutex(std::uint32_t owner, std::uint32_t kind = 0) {
  Scene s;
  s.words(0, {2, kind == 1 ? 1U : 0U, owner, 1, kind});
  return s;
}

Scene shared_mutex(std::uint32_t owner, std::uint32_t kind = 128) {
  Scene s = mutex(owner, kind);
  s.call(0x00, 2, CodePlace::libc_lock).shared();
  return s;
}

TEST(OwnerResolver, AThreadOfTheSameMemoryOwnsAPrivateLock) {
  const auto r = mutex(501).resolution();
  EXPECT_EQ(accused(r), 501);
  EXPECT_EQ(r.obstacles[0].evidence, Evidence::memory);
  EXPECT_TRUE(r.obstacles[0].known);
  EXPECT_FALSE(r.obstacles[0].candidates);
  EXPECT_FALSE(r.self);
}

TEST(OwnerResolver, NumbersAreThoseOfTheNamespace) {
  Scene s = mutex(7);
  s.sample.threads[1].ns_tid = 7;
  EXPECT_EQ(accused(s.resolution()), 501);
  s.sample.threads[2].ns_tid = 501;  // a decoy for those who forget to translate
  EXPECT_EQ(accused(mutex(501).resolution()), 501);
  Scene t = mutex(501);
  t.sample.threads[1].ns_tid = 7;
  t.sample.threads[2].ns_tid = 501;
  EXPECT_EQ(accused(t.resolution()), 502);
}

TEST(OwnerResolver, NobodyOutsideOwnsAPrivateLock) {
  Scene s = mutex(900);
  s.sample.threads.push_back(make_thread(900, 900));
  const auto r = s.resolution();
  EXPECT_EQ(accused(r), 0);
  EXPECT_EQ(r.owner_gone, OwnerGone::exited);
  EXPECT_EQ(r.gone_owner, 900);
}

TEST(OwnerResolver, WhoCanStillUnlockAfterAnExitDependsOnTheKind) {
  const auto normal = mutex(900).resolution();
  ASSERT_EQ(normal.obstacles.size(), 1u);
  ASSERT_EQ(normal.obstacles[0].any_of.size(), 1u);
  EXPECT_EQ(normal.obstacles[0].any_of[0].scope, Releaser::Scope::any_thread_of_process);
  EXPECT_EQ(normal.obstacles[0].any_of[0].pid, kPid);
  EXPECT_TRUE(normal.obstacles[0].candidates);
  const auto recursive = mutex(900, 1).resolution();
  ASSERT_EQ(recursive.obstacles.size(), 1u);
  EXPECT_TRUE(recursive.obstacles[0].any_of.empty());
  EXPECT_TRUE(recursive.obstacles[0].known);
}

TEST(OwnerResolver, AnExitingThreadHoldsForGood) {
  Scene s = mutex(501);
  s.sample.threads[1].state = ThreadState::exiting;
  EXPECT_EQ(s.resolution().owner_gone, OwnerGone::exited);
}

TEST(OwnerResolver, ALockHeldAcrossForkIsKnownByTheParentsThreads) {
  Scene s = mutex(400, 1);
  for (Thread& t : s.sample.threads) t.parent_pid = 300;
  auto r = s.resolution();
  EXPECT_EQ(r.owner_gone, OwnerGone::before_fork) << "older than the process: never one of its threads";
  s = mutex(800, 1);
  for (Thread& t : s.sample.threads) t.parent_pid = 300;
  s.sample.threads.insert(s.sample.threads.begin(), make_thread(300, 800));
  s.waiter = 1;
  r = s.resolution();
  EXPECT_EQ(r.owner_gone, OwnerGone::before_fork);
  ASSERT_EQ(r.obstacles.size(), 1u);
  EXPECT_TRUE(r.obstacles[0].candidates) << "the thread that forked goes on under another number";
}

TEST(OwnerResolver, AThreadYoungerThanTheWaitIsNotBelieved) {
  constexpr std::uint64_t second = 1'000'000'000;
  Scene s = mutex(501);
  s.sample.taken_ns = 100 * second;
  s.sample.threads[0].blocked_ns = 50 * second;
  s.sample.threads[1].id.start_ns = 60 * second;
  EXPECT_TRUE(s.resolution().obstacles.empty());
  s.sample.threads[1].id.start_ns = 40 * second;
  EXPECT_EQ(accused(s.resolution()), 501);
  s.sample.threads[1].id.start_ns = 60 * second;
  s.sample.duration_ns = 20 * second;  // the waiter may have been read later, and so begun later
  EXPECT_EQ(accused(s.resolution()), 501);
}

TEST(OwnerResolver, AWaiterThatOwnsANormalMutexCanBeFreedByItsProcess) {
  const auto r = mutex(500).resolution();
  EXPECT_TRUE(r.self);
  ASSERT_EQ(r.obstacles.size(), 1u);
  EXPECT_TRUE(r.obstacles[0].candidates);
  EXPECT_EQ(r.obstacles[0].any_of[0].scope, Releaser::Scope::any_thread_of_process);
  const auto enforced = mutex(500, 2).resolution();
  EXPECT_TRUE(enforced.self);
  EXPECT_EQ(accused(enforced), 500);
}

TEST(OwnerResolver, ProcessesThatShareMemoryAreOneSetOfThreads) {
  Scene s = mutex(600);
  Thread other = make_thread(600, 600);
  other.address_space = kPid;
  s.sample.threads.push_back(other);
  EXPECT_EQ(accused(s.resolution()), 600);
  s.sample.threads.push_back(make_thread(700, 700, 600));
  s.sample.threads.back().address_space = kPid;
  EXPECT_TRUE(s.resolution().obstacles.empty()) << "two of one number";
}

TEST(OwnerResolver, ASharedLockIsOwnedByTheOnlyOneThatMapsIt) {
  Scene s = shared_mutex(900);
  s.sample.threads.push_back(make_thread(900, 900));
  s.sample.threads.push_back(make_thread(901, 9010, 900));
  s.memory.mappings = {{900, Mapping::mapped}, {901, Mapping::not_mapped}};
  EXPECT_EQ(accused(s.resolution()), 900);
  s.memory.mappings[901] = Mapping::mapped;
  EXPECT_TRUE(s.resolution().obstacles.empty()) << "two namespaces, one number";
  s.memory.mappings[901] = Mapping::unknown;
  EXPECT_TRUE(s.resolution().obstacles.empty()) << "it could be the other";
}

TEST(OwnerResolver, ASharedOwnerIsGoneOnlyIfEverybodyWasSeen) {
  Scene s = shared_mutex(900, 128 | 2);
  auto r = s.resolution();
  EXPECT_EQ(r.owner_gone, OwnerGone::exited);
  ASSERT_EQ(r.obstacles.size(), 1u);
  EXPECT_TRUE(r.obstacles[0].known && r.obstacles[0].any_of.empty());
  s.sample.sees_all_pids = false;
  EXPECT_EQ(s.resolution().owner_gone, OwnerGone::no);
  s.sample.sees_all_pids = true;
  s.sample.threads.push_back(make_thread(900, 900));
  s.memory.mappings = {{900, Mapping::unknown}};
  EXPECT_EQ(s.resolution().owner_gone, OwnerGone::no);
  s.memory.mappings = {{900, Mapping::not_mapped}};
  EXPECT_EQ(s.resolution().owner_gone, OwnerGone::exited) << "a number that somebody else has now";
  s.sample.threads.push_back(make_thread(901, 901));
  s.memory.mappings[901] = Mapping::unknown;
  r = s.resolution();
  ASSERT_EQ(r.obstacles.size(), 1u);
  EXPECT_TRUE(r.obstacles[0].known) << "whoever maps it, nobody but the owner can unlock it";
}

TEST(OwnerResolver, WhoeverMapsANormalSharedMutexCouldUnlockIt) {
  Scene s = shared_mutex(900);
  s.sample.threads.push_back(make_thread(600, 600));
  s.sample.threads.push_back(make_thread(601, 601));
  s.memory.mappings = {{600, Mapping::mapped}, {601, Mapping::not_mapped}};
  auto r = s.resolution();
  ASSERT_EQ(r.obstacles.size(), 1u);
  EXPECT_EQ(r.obstacles[0].any_of.size(), 2u);
  EXPECT_TRUE(r.obstacles[0].known && r.obstacles[0].candidates);
  s.memory.mappings[601] = Mapping::unknown;
  r = s.resolution();
  ASSERT_EQ(r.obstacles.size(), 1u);
  EXPECT_FALSE(r.obstacles[0].known);
}

TEST(OwnerResolver, ASharedKindInMemoryThatWasNotSeenToBeSharedMakesNobodyGone) {
  Scene s = mutex(900, 128);
  s.call(0x00, 2, CodePlace::libc_lock);
  EXPECT_EQ(s.resolution().owner_gone, OwnerGone::no);
  s.words(8, {501});
  EXPECT_EQ(accused(s.resolution()), 501);
}

TEST(OwnerResolver, ReadersHaveNoNames) {
  Scene s;
  s.call(0x189, 2, CodePlace::libc).words(-8, {2 << 3 | 2, 1, 2, 0});
  auto r = s.resolution();
  ASSERT_EQ(r.obstacles.size(), 1u);
  EXPECT_TRUE(r.obstacles[0].candidates && r.obstacles[0].known);
  EXPECT_EQ(r.obstacles[0].any_of[0].scope, Releaser::Scope::any_thread_of_process);
  s.call(0x109, 2, CodePlace::libc).shared().words(20, {1});
  r = s.resolution();
  ASSERT_EQ(r.obstacles.size(), 1u);
  EXPECT_FALSE(r.obstacles[0].known);
}

TEST(OwnerResolver, TheKernelHasTheLastWordOnPi) {
  Scene s;
  s.call(0x86, 0, CodePlace::libc).words(0, {0x80000000 | 501});
  EXPECT_EQ(s.resolution().obstacles.at(0).evidence, Evidence::memory);
  s.wait.pi_owner = s.sample.threads[1].id;
  EXPECT_EQ(accused(s.resolution()), 501);
  EXPECT_EQ(s.resolution().obstacles.at(0).evidence, Evidence::kernel);
  s.wait.pi_owner = s.sample.threads[2].id;
  EXPECT_TRUE(s.resolution().obstacles.empty());
  s.wait.pi_owner = {};
  s.words(0, {0x80000000 | 999});
  EXPECT_TRUE(s.resolution().obstacles.empty());
  EXPECT_EQ(s.resolution().owner_gone, OwnerGone::no) << "the kernel would have woken it";
}

TEST(OwnerResolver, WhatNobodyOwnsHasNoObstacle) {
  Scene semaphore;
  semaphore.call(0x189, 0, CodePlace::libc).words(0, {0, 1, 0});
  EXPECT_TRUE(semaphore.resolution().obstacles.empty());
  Scene transient = mutex(0);
  EXPECT_TRUE(transient.resolution().obstacles.empty());
}

TEST(LockIdOf, IsTheSamePlaceForEverySharer) {
  Scene s;
  s.call(0x109, 3, CodePlace::libc).shared();
  s.words(-8, {1 << 3 | 3, 1, 3, 0, 0, 0, 501, 1});
  const FutexVerdict v = s.verdict();
  ASSERT_EQ(v.kind, LockKind::rwlock);
  const LockId id = lock_id_of(v, s.resolution(), s.wait, s.sample.threads[0]);
  EXPECT_EQ(std::get<SharedPlace>(id.place).offset, 0x5000u - 8);
  const LockId other = lock_id_of(mutex(501).verdict(), {}, s.wait, s.sample.threads[0]);
  EXPECT_EQ(std::get<PrivateWord>(other.place).address, kWord);
}

TEST(LockIdOf, AJoinIsTheEndOfItsThread) {
  Scene s;
  s.call(0x109, 501, CodePlace::libc).words(0, {501});
  s.memory.put_pthread(kWord - 720, 501);
  const LockId id = lock_id_of(s.verdict(), s.resolution(), s.wait, s.sample.threads[0]);
  EXPECT_EQ(std::get<ThreadEnd>(id.place).thread.tid, 501);
}

}  // namespace
}  // namespace lockscope::test
