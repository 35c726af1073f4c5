// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <climits>

#include "tests/unit/classify_scenes.h"

namespace lockscope::test {
namespace {

constexpr std::uint32_t kRobustList = 0x7f00;  // any pointer: upper half

// lock, count, owner, users, kind
Scene mutex(std::uint32_t kind, std::uint32_t count = 0, std::uint32_t owner = 501, std::uint32_t users = 1) {
  Scene s;
  s.words(0, {2, count, owner, users, kind});
  return s;
}

TEST(GlibcMutex, EveryTypeNamesItsOwner) {
  struct Row {
    std::uint32_t kind, count;
    LockKind expected;
    bool enforced;
  };
  for (const Row& row : {Row{0, 0, LockKind::mutex, false}, Row{512, 0, LockKind::mutex, false},
                         Row{1, 3, LockKind::recursive_mutex, true}, Row{2, 0, LockKind::errorcheck_mutex, true},
                         Row{3, 0, LockKind::adaptive_mutex, false}}) {
    const FutexVerdict v = mutex(row.kind, row.count).verdict();
    EXPECT_EQ(v.kind, row.expected);
    EXPECT_EQ(owner_of(v), 501);
    EXPECT_EQ(v.owner_enforced, row.enforced);
    EXPECT_EQ(v.base, kWord);
    EXPECT_TRUE(v.proven);
    EXPECT_FALSE(v.process_shared);
  }
}

TEST(GlibcMutex, TheLoadersOwnIsItsLock) {
  Scene s = mutex(1, 1);
  s.wait.word_in_loader = true;
  EXPECT_EQ(s.verdict().kind, LockKind::loader);
  EXPECT_EQ(owner_of(s.verdict()), 501);
}

TEST(GlibcMutex, BetweenTwoOwnersNobodyIsNamed) {
  const FutexVerdict v = mutex(0, 0, 0, 0).verdict();
  EXPECT_EQ(v.kind, LockKind::mutex);
  EXPECT_TRUE(v.owner_transient);
  EXPECT_EQ(owner_of(v), 0);
  EXPECT_TRUE(mutex(1, 0, 501, 1).verdict().owner_transient) << "a recursive one that is being unlocked";
}

TEST(GlibcMutex, AWordThatChangedEndsTheWait) {
  Scene s = mutex(0);
  s.words(0, {0});
  EXPECT_TRUE(s.verdict().ending);
  EXPECT_EQ(owner_of(s.verdict()), 0);
}

TEST(GlibcMutex, UnderElisionTheOwnerFieldIsStale) {
  const FutexVerdict v = mutex(256).verdict();
  EXPECT_EQ(v.kind, LockKind::mutex);
  EXPECT_EQ(owner_of(v), 0);
}

TEST(GlibcMutex, ProcessSharedGoesWithASharedCall) {
  Scene s = mutex(128, 0, 777);  // a thread of another process
  s.call(0x00, 2, CodePlace::libc_lock).shared();
  const FutexVerdict v = s.verdict();
  EXPECT_EQ(v.kind, LockKind::mutex);
  EXPECT_TRUE(v.process_shared);
  EXPECT_EQ(owner_of(v), 777);
  EXPECT_NE(mutex(128).verdict().kind, LockKind::mutex) << "a private call on it";
  s = mutex(0);
  s.call(0x00, 2, CodePlace::libc_lock);
  EXPECT_EQ(owner_of(s.verdict()), 0) << "a shared call on a private one";
}

TEST(GlibcMutex, RobustNamesTheOwnerOfNowNotOfThen) {
  Scene s;
  s.call(0x00, 0x80000000 | 501, CodePlace::libc);
  s.words(0, {0x80000000 | 502, 1, 502, 1, 16 | 128, 0, 0x1000, kRobustList, 0x1000, kRobustList});
  const FutexVerdict v = s.verdict();
  EXPECT_EQ(v.kind, LockKind::robust_mutex);
  EXPECT_EQ(owner_of(v), 502);
  EXPECT_TRUE(v.owner_enforced);
}

TEST(GlibcMutex, RobustAfterADeathNamesNobody) {
  Scene s;
  s.call(0x00, 0x80000000 | 501, CodePlace::libc);
  s.words(0, {0xc0000000, 0, 501, 1, 16 | 128});
  EXPECT_EQ(s.verdict().kind, LockKind::robust_mutex);
  EXPECT_TRUE(s.verdict().owner_died);
  EXPECT_EQ(owner_of(s.verdict()), 0);
  s.words(0, {0xc0000000 | 502, 1, 502, 1});
  EXPECT_EQ(owner_of(s.verdict()), 0) << "taken over, not yet repaired";
  s.words(0, {0x80000000 | 502, 1, INT_MAX - 1, 1});
  EXPECT_TRUE(s.verdict().not_recoverable);
  EXPECT_EQ(owner_of(s.verdict()), 0);
}

TEST(GlibcMutex, PriorityProtectCarriesItsCeiling) {
  Scene s;
  s.call(0x80, 10 << 19 | 2, CodePlace::libc);
  s.words(0, {10 << 19 | 2, 1, 501, 1, 64});
  EXPECT_EQ(s.verdict().kind, LockKind::priority_protect_mutex);
  EXPECT_EQ(owner_of(s.verdict()), 501);
  s.words(16, {0});
  EXPECT_NE(s.verdict().kind, LockKind::priority_protect_mutex);
}

// What must not pass for a mutex with an owner: one field wrong in an object that is otherwise right.
TEST(GlibcMutex, OneImpossibleFieldIsEnough) {
  struct Row {
    const char* what;
    std::int64_t offset;
    std::uint32_t value;
  };
  for (const Row& row : {Row{"kind", 16, 1024}, Row{"kind both PI and ceiling", 16, 96}, Row{"count", 4, 1},
                         Row{"spins", 20, 5}, Row{"elision", 20, 0x10000}, Row{"list", 24, 1}, Row{"list", 36, 1},
                         Row{"users", 12, 2'000'000}, Row{"no users", 12, 0}, Row{"owner", 8, 5'000'000}}) {
    Scene s = mutex(0);
    s.words(row.offset, {row.value});
    EXPECT_EQ(owner_of(s.verdict()), 0) << row.what;
  }
}

TEST(GlibcMutex, IsNotReadBeyondWhatIsMapped) {
  Scene s = mutex(0);
  s.wait.window.high = 32;
  EXPECT_EQ(owner_of(s.verdict()), 0);
  EXPECT_EQ(s.verdict().kind, LockKind::libc_internal);
  s.wait.window.low = 0;
  s.wait.window.high = 0;
  EXPECT_EQ(owner_of(s.verdict()), 0);
}

TEST(GlibcMutex, AnAbsentOwnerIsAFactOnlyWhereTheCodeVouches) {
  EXPECT_EQ(owner_of(mutex(0, 0, 999).verdict()), 999);
  Scene timed = mutex(0, 0, 999);
  timed.call(0x189, 2, CodePlace::libc);
  EXPECT_EQ(owner_of(timed.verdict()), 0);
  timed = mutex(0, 0, 501);
  timed.call(0x189, 2, CodePlace::libc);
  EXPECT_EQ(owner_of(timed.verdict()), 501);
}

TEST(GlibcMutex, InAStaticProgramMemoryAloneHasToConvince) {
  Scene s = mutex(0);
  s.wait.code = CodePlace::unknown;
  EXPECT_EQ(owner_of(s.verdict()), 501);
  s.words(12, {4});  // more users than threads: three
  EXPECT_EQ(owner_of(s.verdict()), 0);
  s = mutex(0, 0, 999);
  s.wait.code = CodePlace::unknown;
  EXPECT_EQ(owner_of(s.verdict()), 0);
  s = mutex(0);
  s.wait.code = CodePlace::unknown;
  s.wait.libc = LibcKind::unknown;
  EXPECT_EQ(s.verdict().kind, LockKind::futex) << "not even the library is known";
  EXPECT_EQ(owner_of(s.verdict()), 0);
}

TEST(GlibcMutex, AProgramsOwnFutexIsNoneHoweverAlike) {
  for (const CodePlace code : {CodePlace::other, CodePlace::libc_syscall}) {
    Scene s = mutex(0);
    s.wait.code = code;
    EXPECT_EQ(s.verdict().kind, LockKind::futex);
    EXPECT_EQ(owner_of(s.verdict()), 0);
  }
  Scene malloc_arena = mutex(0);
  malloc_arena.wait.code = CodePlace::libc_private_lock;
  EXPECT_EQ(malloc_arena.verdict().kind, LockKind::libc_internal);
  EXPECT_EQ(owner_of(malloc_arena.verdict()), 0);
}

TEST(PiFutex, NamesTheOwnerByKernelAbiInAnyProgram) {
  Scene s;
  s.call(0x86, 0, CodePlace::other);
  s.wait.libc = LibcKind::unknown;
  s.words(0, {0x80000000 | 501});
  EXPECT_EQ(s.verdict().kind, LockKind::pi_mutex);
  EXPECT_EQ(owner_of(s.verdict()), 501);
  s.words(0, {0xc0000000 | 502});
  EXPECT_EQ(owner_of(s.verdict()), 502) << "who repairs what a dead owner left holds it";
  s.words(0, {0xc0000000});
  EXPECT_EQ(owner_of(s.verdict()), 0);
  EXPECT_TRUE(s.verdict().owner_transient);
}

TEST(PiFutex, AConditionOverOneNamesItsMutex) {
  Scene s;
  s.call(0x8b, 0, CodePlace::other);
  s.wait.args[4] = 0x4000;
  EXPECT_EQ(s.verdict().kind, LockKind::cond);
  EXPECT_EQ(s.verdict().needs_mutex, 0x4000u);
}

// glibc sleeps on a zero on its own stack; a register still points at the mutex's kind.
Scene refused_pi(std::uint32_t owner) {
  Scene s;
  s.call(0x189, 0, CodePlace::libc);
  s.wait.args[0] = s.wait.sp + 0x54;
  s.wait.callee_saved[4] = 0x5000 * 16 + 16;
  const std::uint32_t fields[] = {owner, 1, owner, 1, 32, 0, 0, 0, 0, 0};
  for (std::size_t i = 0; i < 10; ++i) s.memory.put(0x50000 + 4 * i, fields[i]);
  return s;
}

TEST(PiFutex, OneThatTheKernelRefusedIsFoundByARegister) {
  Scene s = refused_pi(500);
  EXPECT_EQ(s.verdict().kind, LockKind::pi_mutex);
  EXPECT_EQ(s.verdict().base, 0x50000u);
  EXPECT_EQ(owner_of(s.verdict()), 500);
  EXPECT_TRUE(s.resolution().self);

  s.wait.callee_saved[5] = 0x60010;  // a second one: which is it?
  const std::uint32_t other[] = {501, 1, 501, 1, 32, 0, 0, 0, 0, 0};
  for (std::size_t i = 0; i < 10; ++i) s.memory.put(0x60000 + 4 * i, other[i]);
  EXPECT_EQ(s.verdict().kind, LockKind::futex);
}

TEST(PiFutex, TheMutexItselfHasToStandInTwoRegisters) {
  Scene s = refused_pi(500);
  s.wait.callee_saved = {0x50000, 0, 0, 0, 0, 0};
  EXPECT_EQ(s.verdict().kind, LockKind::futex) << "a pointer of whoever";
  s.wait.callee_saved[2] = 0x50000;
  EXPECT_EQ(s.verdict().kind, LockKind::pi_mutex);
  EXPECT_EQ(s.verdict().base, 0x50000u);
}

TEST(PiFutex, ASleepOnTheStackAloneIsNoRefusal) {
  Scene timed = refused_pi(501);
  timed.wait.args[3] = 0x1000;
  EXPECT_EQ(timed.verdict().kind, LockKind::futex);
  Scene elsewhere = refused_pi(501);
  elsewhere.wait.args[0] = kWord;
  EXPECT_EQ(elsewhere.verdict().kind, LockKind::futex);
  Scene semaphore = refused_pi(501);
  semaphore.words(0, {0, 1, 0});
  EXPECT_EQ(semaphore.verdict().kind, LockKind::sem);
  Scene normal = refused_pi(501);
  normal.memory.put<std::uint32_t>(0x50010, 0);
  EXPECT_EQ(normal.verdict().kind, LockKind::futex);
}

}  // namespace
}  // namespace lockscope::test
