// SPDX-License-Identifier: Apache-2.0
#include "source/trace_text.h"

#include <gtest/gtest.h>

#include <random>

#include "source/replay_source.h"

namespace lockscope {
namespace {

using Random = std::mt19937_64;

std::uint64_t number(Random& random) {
  // Small ones, odd ones and the ends of the range.
  switch (random() % 4) {
    case 0: return random() % 3;
    case 1: return random();
    case 2: return ~std::uint64_t{0} - random() % 2;
    default: return random() % 100000;
  }
}
bool coin(Random& random) { return random() % 2 == 0; }
pid_t process(Random& random) { return static_cast<pid_t>(random() % 5 == 0 ? 0x7fffffff : random() % 4000000); }
std::string text(Random& random) {
  std::string made;
  for (std::size_t i = random() % 16; i > 0; --i) made += static_cast<char>(random() % 256);
  return made;
}
std::vector<std::uint8_t> bytes(Random& random, std::size_t size) {
  std::vector<std::uint8_t> made(size);
  for (auto& byte : made) byte = static_cast<std::uint8_t>(random());
  return made;
}
template <class Enum>
Enum one_of(Random& random, int count) {
  return static_cast<Enum>(random() % static_cast<std::uint64_t>(count));
}

Thread any_thread(Random& random, pid_t pid, pid_t tid) {
  Thread thread;
  thread.id = {tid, random()};  // no two threads are the same one
  thread.pid = pid;
  thread.parent_pid = process(random);
  thread.ns_tid = process(random);
  thread.ns_pid = process(random);
  thread.pid_ns = static_cast<std::uint32_t>(random());
  if (coin(random)) thread.uid = static_cast<std::uint32_t>(random());
  thread.state = one_of<ThreadState>(random, 4);
  if (coin(random)) thread.syscall = static_cast<std::int64_t>(number(random));
  thread.compat = coin(random);
  thread.moved = coin(random);
  thread.readable = coin(random);
  thread.voluntary_switches = number(random);
  thread.involuntary_switches = number(random);
  if (coin(random)) thread.blocked_ns = number(random);
  thread.address_space = number(random);
  thread.files = number(random);
  thread.timer_armed = coin(random);
  thread.comm = text(random);
  return thread;
}

RawWait any_wait(Random& random, std::size_t thread) {
  RawWait wait;
  wait.thread = thread;
  wait.syscall = static_cast<std::int64_t>(number(random));
  for (auto& argument : wait.args) argument = number(random);
  wait.ip = number(random);
  wait.sp = number(random);
  for (auto& value : wait.callee_saved) value = number(random);
  wait.code = one_of<CodePlace>(random, 7);
  wait.libc = one_of<LibcKind>(random, 3);
  wait.restarted = coin(random);
  wait.word_in_loader = coin(random);
  if (coin(random)) wait.shared = SharedPlace{{number(random), number(random)}, number(random)};
  if (coin(random)) {
    wait.window.low = -static_cast<std::int64_t>(random() % 65);
    wait.window.high = 1 + static_cast<std::int64_t>(random() % 64);
    for (auto i = wait.window.low; i < wait.window.high; ++i) {
      wait.window.bytes[static_cast<std::size_t>(i + kWindowBefore)] = static_cast<std::uint8_t>(random());
    }
  }
  wait.stack = bytes(random, coin(random) ? 768 : 0);
  if (coin(random))
    wait.file = OpenFile{number(random), {number(random), number(random)}, number(random), number(random)};
  if (coin(random)) wait.timeout_ns = number(random);
  wait.argument = bytes(random, coin(random) ? 32 : 0);
  if (coin(random)) wait.pi_owner = {process(random), number(random)};
  return wait;
}

FileLock any_lock(Random& random) {
  FileLock lock;
  lock.kind = one_of<FileLockKind>(random, 3);
  lock.exclusive = coin(random);
  lock.file = {number(random), number(random)};
  lock.start = number(random);
  lock.end = number(random);
  lock.owner = number(random);
  lock.locker = process(random);
  for (pid_t pid = 1; pid < static_cast<pid_t>(random() % 5); ++pid) {
    lock.sharers.push_back({pid, static_cast<int>(random() % 100) - 1, coin(random)});
  }
  lock.other_references = coin(random);
  return lock;
}

RecordedLook any_look(Random& random) {
  RecordedLook look;
  RawSample& sample = look.sample;
  sample.source = coin(random) ? "bpf" : "proc";
  sample.taken_ns = number(random);
  sample.duration_ns = number(random);
  sample.realtime_offset_ns = number(random);
  sample.monotonic_offset_ns = number(random);
  sample.sees_all_pids = coin(random);
  sample.file_locks_complete = coin(random);
  sample.coverage = {number(random), number(random), number(random), number(random), {}};
  if (coin(random)) sample.coverage.lost_events["a cause = odd"] = number(random);
  for (pid_t pid = 1; pid < 6; ++pid) {
    // Numbers may be seen twice in a look: the thread ended, and another process got its number.
    for (pid_t tid = pid; tid < pid + 4; ++tid) {
      sample.threads.push_back(any_thread(random, pid, tid));
      if (coin(random)) sample.waits.push_back(any_wait(random, sample.threads.size() - 1));
    }
  }
  for (std::size_t i = random() % 4; i > 0; --i) sample.file_locks.push_back(any_lock(random));
  MemoryLog& log = look.memory;
  for (std::size_t i = random() % 6; i > 0; --i) {
    const std::uint64_t size = random() % 40;
    auto& answers = log.reads[{process(random), number(random) >> 8, size}];
    answers.emplace_back(bytes(random, size));
    if (coin(random) && size > 0) answers.emplace_back(std::nullopt);
    if (coin(random)) answers.emplace_back(bytes(random, size));
    log.mappings[{process(random), SharedPlace{{number(random), number(random)}, number(random)}}].push_back(
        one_of<ProcessMemory::Mapping>(random, 3));
    log.numbers[{process(random), process(random)}].push_back(process(random));
    log.pidfds[{process(random), static_cast<int>(random() % 10)}].push_back(process(random));
    log.catching_signals[process(random)].push_back(coin(random));
  }
  return look;
}

TEST(TraceText, WhatIsWrittenIsReadBack) {
  Random random(7);
  for (int round = 0; round < 100; ++round) {
    std::vector<RecordedLook> looks;
    for (std::size_t i = 1 + random() % 3; i > 0; --i) looks.push_back(any_look(random));
    const std::string trace = write_trace(looks);
    const auto read = parse_trace(trace, "t");
    ASSERT_TRUE(read) << read.error().line();
    // Not ASSERT_EQ: it would print the looks byte for byte.
    ASSERT_TRUE(*read == looks) << "round " << round << ":\n" << trace;
  }
}

TEST(TraceText, ShowsNothingButPlainCharacters) {
  Random random(8);
  for (int round = 0; round < 50; ++round) {
    for (const char c : write_trace({any_look(random)})) {
      ASSERT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << static_cast<int>(c);
    }
  }
}

// A trace by hand: what is left out has its default.
constexpr std::string_view kByHand =
    "lockscope-trace 1\n"
    "# two threads, one waits\n"
    "look taken_ns=1000\n"
    "thread pid=10 tid=10 comm=main%20loop%0a\n"
    "thread pid=10 tid=11 start_ns=5 state=blocked syscall=202\n"
    "wait tid=11 syscall=202 args=0x5000,0x80,2,0,0,0 window_low=-2 window=aabb02000000 code=libc_lock libc=glibc\n"
    "memory pid=10 address=0x5000 bytes=0200000001000000\n"
    "memory pid=10 address=0x6000 length=4\n"
    "end\n";

TEST(TraceText, ReadsATraceWrittenByHand) {
  const auto looks = parse_trace(kByHand, "t");
  ASSERT_TRUE(looks) << looks.error().line();
  const RawSample& sample = looks->at(0).sample;
  EXPECT_EQ(sample.threads.at(0).comm, "main loop\n");
  EXPECT_TRUE(sample.threads[0].readable);
  EXPECT_FALSE(sample.threads[0].uid);
  const RawWait& wait = sample.waits.at(0);
  EXPECT_EQ(wait.thread, 1u);
  EXPECT_EQ(wait.window.low, -2);
  EXPECT_EQ(wait.window.high, 4);
  EXPECT_EQ(wait.window.bytes[kWindowBefore], 2);
  EXPECT_EQ(wait.window.bytes[kWindowBefore - 1], 0xbb);
}

struct Mistake {
  std::string_view in;
  std::string_view instead;
  std::string_view says;
  friend void PrintTo(const Mistake& mistake, std::ostream* out) {
    *out << '"' << mistake.in << "\" becomes \"" << mistake.instead << '"';
  }
};

class TraceMistakes : public testing::TestWithParam<Mistake> {};

TEST_P(TraceMistakes, AreNamedWithTheirLine) {
  std::string trace(kByHand);
  const std::size_t at = trace.find(GetParam().in);
  ASSERT_NE(at, std::string::npos);
  trace.replace(at, GetParam().in.size(), GetParam().instead);
  const auto looks = parse_trace(trace, "file.trace");
  ASSERT_FALSE(looks);
  EXPECT_EQ(looks.error().kind, ErrorKind::usage);
  EXPECT_NE(looks.error().line().find(GetParam().says), std::string::npos) << looks.error().line();
}

INSTANTIATE_TEST_SUITE_P(
    TraceText, TraceMistakes,
    testing::Values(Mistake{"lockscope-trace 1", "lockscope-trace 2", "file.trace:1: a trace of another version"},
                    Mistake{"lockscope-trace 1", "hello", "file.trace:1: not a lockscope trace"},
                    Mistake{"look taken_ns=1000\n", "", "file.trace:3: a record before the first look"},
                    Mistake{"taken_ns=1000", "taken_ns", "file.trace:3: is not made of key=value"},
                    Mistake{"taken_ns=1000", "duration_ns=1", "taken_ns is missing"},
                    Mistake{"taken_ns=1000", "taken_ns=18446744073709551616", "taken_ns is no number that fits"},
                    Mistake{"taken_ns=1000", "taken_ns=-1", "taken_ns is no number"},
                    Mistake{"taken_ns=1000", "taken_ns=1 taken_ns=1", "taken_ns is given twice"},
                    Mistake{"pid=10 tid=10", "pid=-3 tid=10", "pid is negative"},
                    Mistake{"pid=10 tid=10", "pid=10 tid=2147483648", "tid is no number"},
                    Mistake{"pid=10 tid=10", "pid=10 tid=12", "file.trace:5: tid is out of order"},
                    Mistake{"comm=main%20loop%0a", "comm=%2", "comm has a character"},
                    Mistake{"comm=main%20loop%0a", "comm=a\x1b", "comm has a character"},
                    Mistake{"comm=main%20loop%0a", "\x1b[2J=1", "a field is not a field of this record"},
                    Mistake{"state=blocked", "state=asleep", "state is none of the words"},
                    Mistake{"wait tid=11", "wait tid=12", "file.trace:6: tid is no thread of this look"},
                    Mistake{"0x80,2,0,0,0", "0x80,2,0,0", "args is not six numbers"},
                    Mistake{"0x80,2,0,0,0", "0x80,2,0,0,0,0", "args is more than six"},
                    Mistake{"window_low=-2", "window_low=-65", "window reaches too far"},
                    Mistake{"window_low=-2", "window_low=59", "window reaches too far"},
                    Mistake{"window=aabb", "window=aab", "window is too long, or half a byte"},
                    Mistake{"window=aabb", "window=aabx", "window is not hexadecimal"},
                    Mistake{"bytes=02", "length=9 bytes=02", "length is not that of bytes"},
                    Mistake{"length=4", "length=99999999", "length reaches too far"},
                    Mistake{"address=0x6000", "address=0xfffffffffffffffe", "length reaches too far"},
                    Mistake{"memory pid=10 address=0x6000", "melody pid=10", "not a kind of record"},
                    Mistake{"end\n", "", "is cut off"}, Mistake{"end\n", "end\nlook taken_ns=1\n", "follows the end"}));

// A damaged trace is refused with a reason, or read as another valid one; never more than that.
TEST(TraceText, SurvivesRandomDamage) {
  Random random(9);
  int refused = 0;
  for (int round = 0; round < 800; ++round) {
    std::string trace = write_trace({any_look(random)});
    for (std::size_t i = 1 + random() % 4; i > 0; --i) {
      const std::size_t at = random() % trace.size();
      switch (random() % 5) {
        case 0: trace[at] = static_cast<char>(random()); break;
        case 1: trace.erase(at, 1 + random() % 20); break;
        case 2: trace.insert(at, trace.substr(random() % trace.size(), random() % 60)); break;
        case 3: trace[at] = "0123456789abcdefx=, \n-%"[random() % 23]; break;
        default: trace.resize(at + 1); break;
      }
    }
    const auto looks = parse_trace(trace, "t");
    if (!looks) {
      ++refused;
      EXPECT_FALSE(looks.error().line().empty());
      continue;
    }
    for (const auto& [sample, memory] : *looks) {
      for (const RawWait& wait : sample.waits) ASSERT_LT(wait.thread, sample.threads.size());
    }
    const auto again = parse_trace(write_trace(*looks), "t");
    ASSERT_TRUE(again) << again.error().line();
    EXPECT_TRUE(*again == *looks);
  }
  EXPECT_GT(refused, 200);
}

TEST(TraceFile, ThatIsNotThereIsAnError) {
  const auto looks = read_trace_file("/nonexistent/trace");
  ASSERT_FALSE(looks);
  EXPECT_EQ(looks.error().kind, ErrorKind::usage);
}

TEST(ReplaySource, GivesLooksInOrderAndThenTheLastAgain) {
  std::vector<RecordedLook> looks(2);
  looks[0].sample.taken_ns = 1;
  looks[1].sample.taken_ns = 2;
  ReplaySource source(looks);
  EXPECT_EQ(source.sample()->taken_ns, 1u);
  EXPECT_EQ(source.sample()->taken_ns, 2u);
  EXPECT_EQ(source.sample()->taken_ns, 2u);
  EXPECT_EQ(source.sample()->source, "replay");
}

TEST(ReplaySource, AnswersAsThenAndInThatOrder) {
  std::vector<RecordedLook> looks(2);
  MemoryLog& log = looks[0].memory;
  using Bytes = std::vector<std::uint8_t>;
  log.reads[{10, 0x5000, 4}] = {Bytes{1, 2, 3, 4}, std::nullopt, Bytes{5, 6, 7, 8}};
  log.reads[{10, 0x6000, 2}] = {std::nullopt};
  const SharedPlace place{{1, 2}, 3};
  log.mappings[{10, place}] = {ProcessMemory::Mapping::mapped};
  log.numbers[{10, 11}] = {4};
  log.pidfds[{10, 5}] = {12};
  log.catching_signals[10] = {false};
  ReplaySource source(looks);
  ASSERT_TRUE(source.sample());
  ProcessMemory& memory = source.memory();
  Bytes four(4), two(2);
  EXPECT_TRUE(memory.read(10, 0x5000, four));
  EXPECT_EQ(four, (Bytes{1, 2, 3, 4}));
  EXPECT_FALSE(memory.read(10, 0x5000, four));
  EXPECT_TRUE(memory.read(10, 0x5000, four));
  EXPECT_TRUE(memory.read(10, 0x5000, four)) << "the last answer stays";
  EXPECT_TRUE(memory.read(10, 0x5001, two)) << "part of what was read";
  EXPECT_EQ(two, (Bytes{6, 7}));
  EXPECT_FALSE(memory.read(10, 0x5003, two)) << "reaches past it";
  EXPECT_FALSE(memory.read(10, 0x6000, two));
  EXPECT_FALSE(memory.read(11, 0x5000, four)) << "another process";
  EXPECT_EQ(memory.maps(10, place), ProcessMemory::Mapping::mapped);
  EXPECT_EQ(memory.maps(11, place), ProcessMemory::Mapping::unknown);
  EXPECT_EQ(memory.number_in_namespace_of(10, 11), 4);
  EXPECT_EQ(memory.number_in_namespace_of(11, 10), 0);
  EXPECT_EQ(memory.process_of_pidfd(10, 5), 12);
  EXPECT_EQ(memory.process_of_pidfd(10, 6), 0);
  EXPECT_FALSE(memory.catches_signals(10));
  EXPECT_TRUE(memory.catches_signals(11));
  ASSERT_TRUE(source.sample());
  EXPECT_FALSE(memory.read(10, 0x5000, four)) << "the second look has a log of its own";
}

}  // namespace
}  // namespace lockscope
