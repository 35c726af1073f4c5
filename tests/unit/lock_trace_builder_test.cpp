// SPDX-License-Identifier: Apache-2.0
#include "source/lock_trace_builder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

namespace lockscope {
namespace {

using Bytes = std::vector<std::uint8_t>;

template <class Record>
Bytes bytes_of(const Record& record) {
  Bytes bytes(sizeof record);
  std::memcpy(bytes.data(), &record, sizeof record);
  return bytes;
}

ls_record_head head(std::uint32_t type, std::uint32_t tid = 11, std::uint64_t time = 1000) {
  ls_record_head made{};
  made.type = type;
  made.image = 7;
  made.tgid = 10;
  made.tid = tid;
  made.start_ns = 500;
  made.time_ns = time;
  std::strcpy(made.comm, "worker");
  return made;
}

ls_misuse_record misuse(std::uint32_t what, std::uint64_t lock, std::uint32_t tid = 11) {
  ls_misuse_record made{};
  made.head = head(LS_RECORD_MISUSE, tid);
  made.what = what;
  made.lock = lock;
  made.site = 0x40;
  return made;
}

ls_misuse_record relock(std::uint64_t lock, std::uint32_t tid) {
  ls_misuse_record made = misuse(LS_RELOCK, lock, tid);
  made.waiting = 1;
  return made;
}

ls_misuse_record relock_ended(std::uint64_t lock, std::uint32_t tid, int error) {
  ls_misuse_record made = misuse(0, lock, tid);
  made.head.type = LS_RECORD_RELOCK_ENDED;
  made.error = error;
  return made;
}

ls_chain_record chain(std::uint64_t key, std::uint32_t held) {
  ls_chain_record made{};
  made.head = head(LS_RECORD_CHAIN);
  made.key = key;
  made.count = held;
  for (std::uint32_t i = 0; i <= LS_FULL_CHAIN; ++i) {
    made.entry[i].lock = 0x1000 + i;
    made.entry[i].since_ns = 900 - i;  // the latest stands first
    made.entry[i].kind = LS_KIND_RWLOCK;
    made.entry[i].flags = i % 2 == 0 ? LS_HELD_SHARED : 0;
    made.entry[i].by = static_cast<__u8>(i % 4);
  }
  return made;
}

std::vector<Bytes> one_of_each() {
  ls_long_hold_record hold{};
  hold.head = head(LS_RECORD_LONG_HOLD);
  ls_life_record life{};
  life.head = head(LS_RECORD_LIFE);
  ls_barrier_record barrier{};
  barrier.head = head(LS_RECORD_BARRIER);
  ls_thread_end_record end{};
  end.head = head(LS_RECORD_THREAD_END);
  ls_fork_record fork{};
  fork.head = head(LS_RECORD_FORK);
  fork.child = 20;
  fork.child_image = 8;
  ls_thread_start_record start{};
  start.head = head(LS_RECORD_THREAD_START);
  ls_join_record join{};
  join.head = head(LS_RECORD_JOIN);
  return {bytes_of(start),
          bytes_of(join),
          bytes_of(chain(1, 2)),
          bytes_of(misuse(LS_DOUBLE_UNLOCK, 1)),
          bytes_of(relock_ended(1, 11, 0)),
          bytes_of(hold),
          bytes_of(life),
          bytes_of(barrier),
          bytes_of(end),
          bytes_of(fork),
          bytes_of(head(LS_RECORD_HELLO)),
          bytes_of(head(LS_RECORD_EXEC))};
}

std::size_t things_in(const LockTrace& trace) {
  return trace.chains.size() + trace.misuses.size() + trace.long_holds.size() + trace.lives.size() +
         trace.barriers.size();
}

TEST(LockTraceBuilder, TakesNothingOfARecordCutOffAtAnyLength) {
  for (const Bytes& whole : one_of_each()) {
    std::uint32_t type = 0;
    std::memcpy(&type, whole.data(), sizeof type);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      LockTraceBuilder builder;
      const auto event = builder.absorb(std::span(whole).first(length));
      EXPECT_EQ(event.kind, LockTraceBuilder::Event::Kind::none) << type << " cut off at " << length;
      const LockTrace trace = builder.build(0, 1);
      EXPECT_EQ(things_in(trace), 0u) << type << " cut off at " << length;
      EXPECT_EQ(trace.lost, (std::map<std::string, std::uint64_t>{{"records cut off", 1}})) << type << " at " << length;
    }
    LockTraceBuilder builder;
    builder.absorb(whole);
    EXPECT_TRUE(builder.build(0, 1).lost.empty()) << type;
  }
}

TEST(LockTraceBuilder, CountsWhatItDoesNotUnderstand) {
  LockTraceBuilder builder;
  for (const std::uint32_t type : {0u, 100u, 0xffffffffu}) builder.absorb(bytes_of(head(type)));
  for (const std::uint32_t what : {7u, 0xffffffffu}) builder.absorb(bytes_of(misuse(what, 1)));
  const LockTrace trace = builder.build(0, 1);
  EXPECT_EQ(trace.lost.at("records not understood"), 5u);
  EXPECT_EQ(things_in(trace), 0u);
}

TEST(LockTraceBuilder, TakesAnyBytes) {
  std::mt19937 random(20240611);
  std::uniform_int_distribution<int> byte(0, 255);
  LockTraceBuilder builder;
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes(static_cast<std::size_t>(round % 1000));
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(byte(random));
    if (!bytes.empty() && round % 2 == 0) {
      const auto type = static_cast<std::uint32_t>(round / 2 % 14);
      std::memcpy(bytes.data(), &type, std::min(bytes.size(), sizeof type));
    }
    builder.absorb(bytes);
    if (round % 10 == 0) builder.absorb_dump(bytes);
  }
  const LockTrace trace = builder.build(0, 1);
  for (const LockChain& c : trace.chains) ASSERT_LT(c.thread, trace.threads.size());
  for (const LockMisuse& m : trace.misuses) ASSERT_LT(m.thread, trace.threads.size());
}

TEST(LockTraceBuilder, PutsTheEarliestHeldLockFirst) {
  LockTraceBuilder builder;
  builder.absorb(bytes_of(chain(1, 3)));
  builder.absorb(bytes_of(chain(2, 0)));     // nothing is held: no chain
  builder.absorb(bytes_of(chain(3, 1000)));  // more than there is room for
  builder.absorb_chains(std::vector<std::pair<std::uint64_t, ls_chain_use>>{
      {1, {.last_ns = 5000, .count = 9}}, {3, {.last_ns = 1, .count = 2}}, {99, {.last_ns = 1, .count = 1}}});
  const LockTrace trace = builder.build(0, 1);
  ASSERT_EQ(trace.chains.size(), 2u);
  const LockChain& first = trace.chains[0];
  ASSERT_EQ(first.held.size(), 3u);
  EXPECT_EQ(first.wanted.lock, (TracedLock{7, 0x1000}));
  EXPECT_EQ(first.wanted.mode, Mode::shared);
  EXPECT_EQ(first.held[0].lock.address, 0x1003u);
  EXPECT_EQ(first.held[0].by, TakenBy::after_condition_wait);
  EXPECT_EQ(first.held[2].lock.address, 0x1001u);
  EXPECT_EQ(first.held[2].mode, Mode::exclusive);
  EXPECT_EQ(first.count, 9u);
  EXPECT_EQ(first.first_ns, 1000u);
  EXPECT_EQ(first.last_ns, 5000u);
  EXPECT_EQ(trace.chains[1].held.size(), LS_FULL_CHAIN);
  EXPECT_EQ(trace.chains[1].last_ns, 1000u) << "never before the first";
}

TEST(LockTraceBuilder, CountsTheSameMisuseOnce) {
  LockTraceBuilder builder;
  for (const std::uint32_t tid : {11u, 12u, 13u}) builder.absorb(bytes_of(misuse(LS_DOUBLE_UNLOCK, 1, tid)));
  builder.absorb(bytes_of(misuse(LS_UNLOCK_NOT_LOCKED, 1)));
  builder.absorb(bytes_of(misuse(LS_DOUBLE_UNLOCK, 2)));
  const LockTrace trace = builder.build(0, 1);
  ASSERT_EQ(trace.misuses.size(), 3u);
  EXPECT_EQ(trace.misuses[0].count, 3u);
  EXPECT_EQ(trace.threads[trace.misuses[0].thread].tid, 11) << "who did it first";
  EXPECT_EQ(trace.misuses[1].count, 1u);
  EXPECT_EQ(trace.misuses[2].count, 1u);
  EXPECT_EQ(trace.misuses[0].error, std::nullopt);
}

TEST(LockTraceBuilder, AsksWhoTheOwnerIs) {
  LockTraceBuilder builder;
  builder.set_owner_names([](pid_t pid, pid_t number) {
    EXPECT_EQ(pid, 10);
    return number == 12 ? std::string("writer") : std::string();
  });
  ls_misuse_record known = misuse(LS_UNLOCK_NOT_OWNER, 1);
  known.owner = 12;
  ls_misuse_record unknown = misuse(LS_UNLOCK_NOT_OWNER, 2);
  unknown.owner = 13;
  builder.absorb(bytes_of(known));
  builder.absorb(bytes_of(unknown));
  const LockTrace trace = builder.build(0, 1);
  EXPECT_EQ(trace.misuses.at(0).owner, 12);
  EXPECT_EQ(trace.misuses.at(0).owner_comm, "writer");
  EXPECT_EQ(trace.misuses.at(1).owner, std::nullopt);
}

TEST(LockTraceBuilder, KnowsWhetherARelockStillWaits) {
  LockTraceBuilder builder;
  builder.absorb(bytes_of(relock(1, 11)));
  builder.absorb(bytes_of(relock(1, 12)));
  EXPECT_TRUE(builder.build(0, 1).misuses.at(0).still_waiting);
  builder.absorb(bytes_of(relock_ended(2, 11, 0)));  // of another lock
  builder.absorb(bytes_of(relock_ended(1, 13, 0)));  // of another thread
  builder.absorb(bytes_of(relock_ended(1, 11, ETIMEDOUT)));
  EXPECT_TRUE(builder.has_waiting_relock());
  EXPECT_TRUE(builder.build(0, 1).misuses.at(0).still_waiting) << "the other thread does";
  builder.absorb(bytes_of(relock_ended(1, 12, 0)));
  const LockTrace trace = builder.build(0, 1);
  EXPECT_FALSE(builder.has_waiting_relock());
  EXPECT_FALSE(trace.misuses.at(0).still_waiting);
  EXPECT_EQ(trace.misuses.at(0).error, ETIMEDOUT);
  EXPECT_EQ(trace.misuses.at(0).count, 2u);
}

Bytes dump_of(std::uint32_t held, const std::vector<ls_full_held>& entries) {
  ls_full_thread_dump thread{};
  thread.head = head(0);
  thread.waits = 2;
  thread.waited_ns = 300;
  thread.held = held;
  Bytes bytes = bytes_of(thread);
  for (const ls_full_held& entry : entries) {
    const Bytes more = bytes_of(entry);
    bytes.insert(bytes.end(), more.begin(), more.end());
  }
  return bytes;
}

ls_full_held held_lock(std::uint64_t lock, std::uint32_t depth, __u8 flags = 0) {
  ls_full_held held{};
  held.lock = lock;
  held.site = 0x40;
  held.asked_ns = 100;
  held.since_ns = 1124;
  held.depth = depth;
  held.flags = flags;
  return held;
}

TEST(LockTraceBuilder, CountsWhatIsStillHeld) {
  LockTraceBuilder builder;
  ls_full_use counted{};
  counted.acquired = 5;
  counted.hold[3] = 5;
  counted.hold_ns = 50;
  counted.hold_longest_ns = 12;
  builder.absorb_uses(std::vector<std::pair<ls_full_use_key, ls_full_use>>{
      {{.lock = 1, .site = 0x40, .image = 7, .kind = LS_KIND_MUTEX, .shared = 0, .pad = {}}, counted}});
  builder.absorb_dump(
      dump_of(4, {held_lock(1, 3), held_lock(2, 1, LS_HELD_CONTENDED),
                  held_lock(3, 1, LS_HELD_BLOCKED | LS_HELD_CONTENDED), held_lock(4, 0, LS_HELD_SHARED)}));
  const LockTrace trace = builder.build(0, 2000);
  EXPECT_TRUE(trace.lost.empty());
  ASSERT_EQ(trace.uses.size(), 3u) << "asked for is not taken";
  EXPECT_EQ(trace.uses[0].acquired, 8u) << "with each level of recursion";
  EXPECT_EQ(trace.uses[0].hold.count, 5u);
  EXPECT_EQ(trace.uses[1].acquired, 1u);
  EXPECT_EQ(trace.uses[1].contended, 1u);
  EXPECT_EQ(trace.uses[1].wait.count, 1u);
  EXPECT_EQ(trace.uses[1].wait.total_ns, 1024u);
  EXPECT_EQ(trace.uses[1].wait.histogram[10], 1u);
  EXPECT_EQ(trace.uses[1].hold.count, 0u);
  EXPECT_EQ(trace.uses[2].mode, Mode::shared);
  EXPECT_EQ(trace.uses[2].acquired, 1u);
  EXPECT_EQ(trace.threads.at(0).waits, 2u);
  EXPECT_EQ(trace.threads.at(0).waited_ns, 300u);
}

TEST(LockTraceBuilder, StopsWhereADumpIsCutOff) {
  const Bytes whole = dump_of(2, {held_lock(1, 1), held_lock(2, 1)});
  for (std::size_t length = 0; length < whole.size(); ++length) {
    LockTraceBuilder builder;
    builder.absorb_dump(std::span(whole).first(length));
    const LockTrace trace = builder.build(0, 1);
    const std::size_t entries =
        length < sizeof(ls_full_thread_dump) ? 0 : (length - sizeof(ls_full_thread_dump)) / sizeof(ls_full_held);
    EXPECT_EQ(trace.uses.size(), entries) << length;
    EXPECT_EQ(trace.lost.contains("records cut off"), length != 0) << length;
  }
  LockTraceBuilder builder;
  builder.absorb_dump(dump_of(LS_FULL_HELD + 1, {held_lock(1, 1)}));
  EXPECT_TRUE(builder.build(0, 1).uses.empty());
}

TEST(LockTraceBuilder, KeepsWithinItsLimits) {
  LockTraceBuilder builder;
  for (std::size_t i = 0; i < LockTraceBuilder::kMaxMisuses + 3; ++i) {
    builder.absorb(bytes_of(misuse(LS_DOUBLE_UNLOCK, i)));
  }
  ls_long_hold_record hold{};
  hold.head = head(LS_RECORD_LONG_HOLD);
  for (std::size_t i = 0; i < LockTraceBuilder::kMaxLongHolds + 4; ++i) builder.absorb(bytes_of(hold));
  ls_barrier_record barrier{};
  barrier.head = head(LS_RECORD_BARRIER);
  for (std::size_t i = 0; i < LockTraceBuilder::kMaxBarriers + 5; ++i) builder.absorb(bytes_of(barrier));
  ls_life_record life{};
  life.head = head(LS_RECORD_LIFE);
  for (std::size_t i = 0; i < LockTraceBuilder::kMaxLives + 6; ++i) builder.absorb(bytes_of(life));
  for (std::size_t i = 0; i < LockTraceBuilder::kMaxThreads + 7; ++i) {
    builder.absorb(bytes_of(head(LS_RECORD_HELLO, static_cast<std::uint32_t>(i))));
  }
  const LockTrace trace = builder.build(0, 1);
  EXPECT_EQ(trace.misuses.size(), LockTraceBuilder::kMaxMisuses);
  EXPECT_EQ(trace.lost.at("misuses beyond what is kept"), 3u);
  EXPECT_EQ(trace.lost.at("long holds beyond what is kept"), 4u);
  EXPECT_EQ(trace.lost.at("barriers beyond what is kept"), 5u);
  EXPECT_EQ(trace.lost.at("begins and ends of locks beyond what is kept"), 6u);
  EXPECT_EQ(trace.threads.size(), LockTraceBuilder::kMaxThreads);
  EXPECT_EQ(trace.lost.at("threads beyond what is kept"), 7u);
}

TEST(LockTraceBuilder, TellsOfForksExecsAndFirstCalls) {
  using Kind = LockTraceBuilder::Event::Kind;
  LockTraceBuilder builder;
  EXPECT_EQ(builder.absorb(bytes_of(head(LS_RECORD_HELLO))).kind, Kind::first_call);
  ls_fork_record fork{};
  fork.head = head(LS_RECORD_FORK, 11, 2000);
  fork.child = 20;
  fork.child_image = 8;
  const auto forked = builder.absorb(bytes_of(fork));
  EXPECT_EQ(forked.kind, Kind::fork);
  EXPECT_EQ(forked.pid, 10);
  EXPECT_EQ(forked.child, 20);
  EXPECT_EQ(forked.child_image, 8u);
  ls_record_head exec = head(LS_RECORD_EXEC, 20, 3000);
  exec.tgid = 20;
  exec.image = 6;
  EXPECT_EQ(builder.absorb(bytes_of(exec)).kind, Kind::exec);
  const LockTrace trace = builder.build(1, 4000);
  ASSERT_EQ(trace.images.size(), 3u);
  EXPECT_EQ(trace.images[0].id, 6u) << "by id";
  EXPECT_TRUE(trace.images[0].from_start);
  EXPECT_EQ(trace.images[2].forked_from, 7u);
  EXPECT_EQ(trace.images[2].pid, 20);
  EXPECT_EQ(trace.images[2].began_ns, 2000u);
}

TEST(LockTraceBuilder, TellsThreadsOfOneNumberApart) {
  LockTraceBuilder builder;
  builder.absorb(bytes_of(head(LS_RECORD_HELLO)));
  ls_thread_end_record end{};
  end.head = head(LS_RECORD_THREAD_END, 11, 2000);
  end.waits = 3;
  end.waited_ns = 70;
  builder.absorb(bytes_of(end));
  ls_record_head later = head(LS_RECORD_HELLO, 11, 3000);
  later.start_ns = 2500;
  std::memset(later.comm, 'x', sizeof later.comm);  // without an end
  builder.absorb(bytes_of(later));
  const LockTrace trace = builder.build(0, 4000);
  ASSERT_EQ(trace.threads.size(), 2u);
  EXPECT_EQ(trace.threads[0].ended_ns, 2000u);
  EXPECT_EQ(trace.threads[0].waits, 3u);
  EXPECT_EQ(trace.threads[0].comm, "worker");
  EXPECT_EQ(trace.threads[1].ended_ns, std::nullopt);
  EXPECT_EQ(trace.threads[1].comm, std::string(LS_FULL_COMM, 'x'));
}

}  // namespace
}  // namespace lockscope
