// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/unit/classify_scenes.h"

namespace lockscope::test {
namespace {

// readers, writers, phase futex, writers futex, pads, cur_writer, shared, pads, flags; the word lies `word` into it.
Scene rwlock(std::int64_t word, std::uint32_t expected, std::uint32_t readers, std::uint32_t phase,
             std::uint32_t writers_futex, std::uint32_t cur_writer, std::uint32_t flags = 0) {
  Scene s;
  s.call(0x189, expected, CodePlace::libc);
  s.words(-word, {readers, 1, phase, writers_futex, 0, 0, cur_writer, 0, 0, 0, 0, 0, flags});
  return s;
}

TEST(GlibcRwlock, AReaderWaitsForTheWriter) {
  const FutexVerdict v = rwlock(8, 3, 1 << 3 | 3, 3, 0, 501).verdict();
  EXPECT_EQ(v.kind, LockKind::rwlock);
  EXPECT_EQ(v.mode, Mode::shared);
  EXPECT_EQ(v.base, kWord - 8);
  EXPECT_EQ(owner_of(v), 501);
  EXPECT_TRUE(v.owner_enforced);
  EXPECT_FALSE(v.reader_count);
}

TEST(GlibcRwlock, AWriterWaitsForReaders) {
  const FutexVerdict v = rwlock(8, 2, 3 << 3 | 2, 2, 0, 0).verdict();
  EXPECT_EQ(v.kind, LockKind::rwlock);
  EXPECT_EQ(v.mode, Mode::exclusive);
  EXPECT_TRUE(v.held_by_readers);
  EXPECT_EQ(v.reader_count, 3u);
  EXPECT_EQ(owner_of(v), 0);
}

TEST(GlibcRwlock, AWriterWaitsForTheWriter) {
  const FutexVerdict v = rwlock(12, 3, 3, 1, 3, 502).verdict();
  EXPECT_EQ(v.base, kWord - 12);
  EXPECT_EQ(v.mode, Mode::exclusive);
  EXPECT_EQ(owner_of(v), 502);
}

TEST(GlibcRwlock, AWriterBehindAWriterBehindReadersNamesTheirNumber) {
  const FutexVerdict v = rwlock(12, 3, 2 << 3 | 2, 2, 3, 0).verdict();
  EXPECT_TRUE(v.held_by_readers);
  EXPECT_EQ(v.reader_count, 2u);
}

TEST(GlibcRwlock, AReaderBehindAPendingWriterOnlyWhereWritersGoFirst) {
  const std::uint32_t readers = 1 << 3 | 6;
  const FutexVerdict v = rwlock(0, readers, readers, 2, 0, 0, 2).verdict();
  EXPECT_EQ(v.kind, LockKind::rwlock);
  EXPECT_EQ(v.mode, Mode::shared);
  EXPECT_EQ(v.reader_count, 1u);
  EXPECT_NE(rwlock(0, readers, readers, 2, 0, 0, 0).verdict().kind, LockKind::rwlock);
}

TEST(GlibcRwlock, AnUnsignedWriterIsTransientAndAChangedWordEnds) {
  EXPECT_TRUE(rwlock(8, 3, 1 << 3 | 3, 3, 0, 0).verdict().owner_transient);
  EXPECT_TRUE(rwlock(8, 3, 1 << 3 | 2, 0, 0, 0).verdict().ending);
}

// Eleven writers queue: their number, seen as a reader count four bytes late, must not make it another lock.
TEST(GlibcRwlock, TheReadingThatAgreesBestWins) {
  Scene s = rwlock(12, 3, 2 << 3 | 2, 2, 3, 0);
  s.words(-8, {8 + 3});
  EXPECT_EQ(s.verdict().base, kWord - 12);
  EXPECT_EQ(s.verdict().reader_count, 2u);
}

TEST(GlibcRwlock, OneImpossibleFieldIsEnough) {
  struct Row {
    const char* what;
    std::int64_t offset;
    std::uint32_t value;
  };
  for (const Row& row : {Row{"pad", 16, 1}, Row{"pad", 36, 1}, Row{"pad", 44, 1}, Row{"shared", 28, 1},
                         Row{"shared", 28, 7}, Row{"flags", 48, 3}, Row{"phase futex", 8, 4},
                         Row{"writers futex", 12, 4}, Row{"no readers", 0, 3}, Row{"writer", 24, 5'000'000}}) {
    Scene s = rwlock(8, 3, 1 << 3 | 3, 3, 0, 501);
    s.words(row.offset - 8, {row.value});
    EXPECT_EQ(owner_of(s.verdict()), 0) << row.what;
  }
  EXPECT_EQ(owner_of(rwlock(8, 3, 1 << 3 | 3, 3, 0, 999).verdict()), 999) << "gone, by libc's own code";
  Scene memory_only = rwlock(8, 3, 1 << 3 | 3, 3, 0, 999);
  memory_only.wait.code = CodePlace::unknown;
  EXPECT_EQ(owner_of(memory_only.verdict()), 0);
}

Scene cond_with_refs(std::uint32_t group) {
  Scene s;
  s.call(0x189, 0, CodePlace::libc);
  const std::int64_t base = -40 - 4 * static_cast<std::int64_t>(group);
  s.words(base, {6 | group, 0, 2, 0, 0, 0, 0, 0, 0, 1 << 3, 0, 0});
  s.words(base + 16 + 4 * group, {2});
  return s;
}

TEST(GlibcCond, TheStackNamesTheMutex) {
  for (const std::uint32_t group : {0U, 1U}) {
    Scene s = cond_with_refs(group);
    const std::uint64_t base = kWord - 40 - 4 * group;
    s.push({1, 2, 4, base, 0x7f0000009000, 0});
    const FutexVerdict v = s.verdict();
    EXPECT_EQ(v.kind, LockKind::cond);
    EXPECT_EQ(v.base, base);
    EXPECT_EQ(v.needs_mutex, 0x7f0000009000u);
    EXPECT_FALSE(v.weak);
  }
}

TEST(GlibcCond, TheLayoutWithoutRefsIsKnownByContent) {
  Scene s;
  s.call(0x189, 2, CodePlace::libc);
  // wseq 9 waiters, g1_start 3, sizes, orig, wrefs, signals
  s.words(-36, {19, 0, 3, 0, 1, 0, 4, 1 << 3, 5, 2});
  s.push({18, kWord - 36, 0x7f0000009000, 0});
  const FutexVerdict v = s.verdict();
  EXPECT_EQ(v.kind, LockKind::cond) << "though it expects what an awaited mutex does";
  EXPECT_EQ(v.base, kWord - 36);
  EXPECT_EQ(v.needs_mutex, 0x7f0000009000u);
}

TEST(GlibcCond, AStackOfAnotherWaitProvesNothing) {
  Scene s = cond_with_refs(0);
  s.push({4, kWord - 44, 0x7f0000009000, 0, 0, 0, 0, 0});
  EXPECT_FALSE(s.verdict().needs_mutex);
  EXPECT_TRUE(s.verdict().weak);
  s = cond_with_refs(0);
  s.push({6, kWord - 40, 0x7f0000009000, 0, 0});  // later than the last that waited
  EXPECT_FALSE(s.verdict().needs_mutex);
  s = cond_with_refs(0);
  s.push({4, kWord - 40, 0x7f0000009000, 128, 0});  // shared, in a private wait
  EXPECT_FALSE(s.verdict().needs_mutex);
}

TEST(GlibcSemaphore, IsToldFromAConditionByTheStack) {
  Scene s;
  s.call(0x189, 0, CodePlace::libc);
  s.words(0, {0, 1, 0});
  EXPECT_EQ(s.verdict().kind, LockKind::sem);
  EXPECT_EQ(owner_of(s.verdict()), 0);
  Scene both = cond_with_refs(0);
  both.words(0, {0, 1, 0});
  both.push({0, 0, 0, 0, 0});
  EXPECT_EQ(both.verdict().kind, LockKind::sem);
  s.words(8, {128});
  EXPECT_NE(s.verdict().kind, LockKind::sem) << "shared, in a private wait";
  s.words(8, {0}).words(4, {0});
  EXPECT_NE(s.verdict().kind, LockKind::sem) << "nobody waits";
}

TEST(GlibcBarrier, CountsByRounds) {
  Scene s;
  s.call(0x80, 6, CodePlace::libc);
  s.words(-4, {7, 6, 3, 0, 6});
  EXPECT_EQ(s.verdict().kind, LockKind::barrier);
  EXPECT_EQ(s.verdict().base, kWord - 4);
  s.words(4, {4});
  EXPECT_NE(s.verdict().kind, LockKind::barrier) << "6 is no round of 4";
  s.words(0, {7, 3});
  EXPECT_NE(s.verdict().kind, LockKind::barrier) << "7 is no round of 3";
}

TEST(GlibcOnce, IsInProgress) {
  Scene s;
  s.call(0x80, 5, CodePlace::libc).words(0, {5});
  EXPECT_EQ(s.verdict().kind, LockKind::once);
  EXPECT_NE(Scene().call(0x80, 4, CodePlace::libc).words(0, {4}).verdict().kind, LockKind::once);
  EXPECT_NE(Scene().call(0x80, 5, CodePlace::other).words(0, {5}).verdict().kind, LockKind::once);
}

TEST(CxxGuard, IsOnceFromWhereverItIsCalled) {
  Scene s;
  s.call(0x00, 0x10100, CodePlace::libc_syscall).words(0, {0x10100});
  EXPECT_EQ(s.verdict().kind, LockKind::once);
  EXPECT_EQ(Scene().call(0x80, 0x10100, CodePlace::libc_syscall).verdict().kind, LockKind::futex);
}

TEST(GlibcJoin, WaitsForTheThreadWhoseStructureItIs) {
  Scene s;
  s.call(0x109, 501, CodePlace::libc).words(0, {501});
  EXPECT_EQ(s.verdict().kind, LockKind::futex) << "no struct pthread round the word";
  s.memory.put_pthread(kWord - 720, 501);
  s.wait.args[0] = kWord;
  EXPECT_EQ(s.verdict().kind, LockKind::join);
  EXPECT_EQ(owner_of(s.verdict()), 501);
  EXPECT_EQ(s.verdict().base, kWord - 720);
  s.call(0x89, 501, CodePlace::libc);
  EXPECT_NE(s.verdict().kind, LockKind::join) << "join waits with a shared futex";
  s.call(0x109, 999, CodePlace::libc);
  EXPECT_NE(s.verdict().kind, LockKind::join) << "no thread of this process";
  s.call(0x109, 501, CodePlace::libc).words(0, {0});
  EXPECT_EQ(owner_of(s.verdict()), 0) << "it has ended";
}

TEST(GlibcJoin, TheJoinStateOf243LeadsToTheThread) {
  Scene s;
  const std::uint64_t pthread = 0x7f0000002000;
  s.wait.args[0] = pthread + 1576;
  s.call(0x109, 2, CodePlace::libc).words(0, {2});
  EXPECT_NE(s.verdict().kind, LockKind::join);
  s.memory.put_pthread(pthread, 502);
  EXPECT_EQ(s.verdict().kind, LockKind::join);
  EXPECT_EQ(owner_of(s.verdict()), 502);
  s.memory.put<std::uint64_t>(pthread + 16, pthread + 8);
  EXPECT_NE(s.verdict().kind, LockKind::join);
}

TEST(GlibcStdio, TheOwnerIsAStructPthread) {
  Scene s;
  const std::uint64_t pthread = 0x7f0000002000;
  s.call(0x80, 2, CodePlace::libc_private_lock);
  s.words(0, {2, 1, static_cast<std::uint32_t>(pthread), static_cast<std::uint32_t>(pthread >> 32)});
  EXPECT_EQ(s.verdict().kind, LockKind::libc_internal) << "it points at nothing";
  s.memory.put_pthread(pthread, 501);
  EXPECT_EQ(s.verdict().kind, LockKind::stdio);
  EXPECT_EQ(owner_of(s.verdict()), 501);
  s.memory.put_pthread(pthread, 999);
  EXPECT_EQ(owner_of(s.verdict()), 0);
}

TEST(GlibcPrivateLock, AConditionsInternalLockIsNoMutex) {
  Scene s;
  s.call(0x80, 2, CodePlace::libc);
  // wseq, g1_start, refs, sizes, then the word; behind it wrefs, signals, and a neighbour that reads as a kind
  s.words(-32, {6, 0, 2, 0, 2, 0, 0, 0, 2, 1 << 3, 501, 1, 1});
  EXPECT_EQ(s.verdict().kind, LockKind::libc_internal);
  EXPECT_EQ(owner_of(s.verdict()), 0);
}

TEST(Musl, MutexesThatCheckTheirOwnerNameIt) {
  const auto mutex = [](std::uint32_t type, std::uint32_t word) {
    Scene s;
    s.call((type & 128) ? 0x00 : 0x80, 0x80000000 | 501, CodePlace::musl);
    s.wait.libc = LibcKind::musl;
    s.words(-4, {type, word, 1, 0, 0, 0, 0x3000, 0x7f00, 0x3000, 0x7f00});
    s.memory.put<std::uint64_t>(0x7f0000003000, kWord + 28);
    return s;
  };
  EXPECT_EQ(mutex(1, 0x80000000 | 501).verdict().kind, LockKind::recursive_mutex);
  EXPECT_EQ(mutex(2, 0x80000000 | 501).verdict().kind, LockKind::errorcheck_mutex);
  EXPECT_EQ(mutex(4, 0x80000000 | 501).verdict().kind, LockKind::robust_mutex);
  EXPECT_EQ(owner_of(mutex(1, 0x80000000 | 502).verdict()), 502) << "the word, not what was expected";
  EXPECT_EQ(mutex(1, 0x80000000 | 501).verdict().base, kWord - 4);
  EXPECT_EQ(owner_of(mutex(9, 0x80000000 | 501).verdict()), 0) << "PI waits otherwise";
  EXPECT_EQ(owner_of(mutex(3, 0x80000000 | 501).verdict()), 0) << "no such type";
  Scene unlisted = mutex(1, 0x80000000 | 501);
  unlisted.memory.put<std::uint64_t>(0x7f0000003000, kWord);
  EXPECT_EQ(owner_of(unlisted.verdict()), 0);
  Scene program = mutex(1, 0x80000000 | 501);
  program.wait.code = CodePlace::other;
  EXPECT_EQ(program.verdict().kind, LockKind::futex);
  Scene bitset = mutex(1, 0x80000000 | 501);
  bitset.wait.args[1] = 0x89;
  EXPECT_EQ(bitset.verdict().kind, LockKind::futex) << "musl never waits so";
}

TEST(Musl, OwnerlessPrimitivesNameNobody) {
  Scene s;
  s.call(0x80, 0x80000000 | 16, CodePlace::musl).words(-4, {0, 0x80000000 | 16, 1});
  EXPECT_EQ(s.verdict().kind, LockKind::mutex);
  EXPECT_EQ(owner_of(s.verdict()), 0);
  s = Scene();
  s.call(0x80, 0x80000000 | 2, CodePlace::musl).words(0, {0x80000000 | 2, 1, 0});
  EXPECT_EQ(s.verdict().kind, LockKind::rwlock);
  EXPECT_EQ(s.verdict().reader_count, 2u);
  s.words(8, {128});
  s.call(0x80, 0x80000000, CodePlace::musl).words(0, {0x80000000});
  EXPECT_EQ(s.verdict().kind, LockKind::sem);
}

TEST(Musl, JoinAndStreamsLeadToThreads) {
  Scene s;
  const std::uint64_t thread = 0x7f0000002000;
  s.wait.args[0] = thread + 56;
  s.call(0x80, 2, CodePlace::musl).words(0, {2});
  s.memory.put<std::uint64_t>(thread, thread);
  s.memory.put<std::uint32_t>(thread + 48, 502);
  EXPECT_EQ(s.verdict().kind, LockKind::join);
  EXPECT_EQ(owner_of(s.verdict()), 502);
  s.memory.put<std::uint32_t>(thread + 48, 999);
  EXPECT_NE(s.verdict().kind, LockKind::join);
  Scene f;
  f.call(0x80, 0x40000000 | 501, CodePlace::musl).words(0, {0x40000000 | 502});
  EXPECT_EQ(f.verdict().kind, LockKind::stdio);
  EXPECT_EQ(owner_of(f.verdict()), 502);
}

TEST(FutexOfAProgram, CallsThatNoLibraryMakesAreNotUnderstood) {
  Scene s;
  s.words(0, {2, 0, 501, 1, 0});
  s.wait.syscall = 455;
  s.wait.args = {kWord, 2, 0xffffffff, 0x82, 0, 0};
  EXPECT_EQ(s.verdict().kind, LockKind::futex);
  s.wait.syscall = 449;
  EXPECT_EQ(s.verdict().kind, LockKind::futex);
  Scene compat;
  compat.words(0, {2, 0, 501, 1, 0});
  compat.sample.threads[0].compat = true;
  EXPECT_EQ(owner_of(compat.verdict()), 0);
}

}  // namespace
}  // namespace lockscope::test
