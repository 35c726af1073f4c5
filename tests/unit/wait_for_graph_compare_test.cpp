// SPDX-License-Identifier: Apache-2.0
// What two looks must agree on before a wait stands, or a thread counts as quiet: each test changes one thing.
#include <gtest/gtest.h>

#include <functional>

#include "look_builder.h"

namespace lockscope::test {
namespace {

// Thread 0 waits for a mutex of thread 1, which sleeps in read(); thread 2 sleeps on a condition variable.
struct Looks {
  Looks() {
    LookBuilder look;
    for (pid_t tid = 11; tid < 14; ++tid) look.thread(10, tid);
    look.wait_for(0, 0x100, 1);
    const std::size_t idle = look.wait(2, 0x200, {});
    look.at(idle).kind = LockKind::cond;
    for (Thread& t : look.sample.raw.threads) {
      t.state = ThreadState::blocked;
      t.syscall = 202;
      t.voluntary_switches = 5;
      t.involuntary_switches = 7;
    }
    look.sample.raw.threads[1].syscall = 0;
    before = now = look.sample;
  }
  [[nodiscard]] bool stands() const { return compare_looks(before, now).standing.at(0); }
  [[nodiscard]] bool quiet(std::size_t t) const { return compare_looks(before, now).quiet.at(t); }
  Thread& thread(std::size_t t) { return now.raw.threads[t]; }
  Wait& wait() { return now.waits[0]; }

  Sample before;
  Sample now;
};

TEST(CompareLooks, UnchangedWaitStandsAndUnchangedSleepersAreQuiet) {
  const Looks looks;
  EXPECT_TRUE(looks.stands());
  EXPECT_TRUE(looks.quiet(0));
  EXPECT_TRUE(looks.quiet(1));
  EXPECT_TRUE(looks.quiet(2));
}

TEST(CompareLooks, OrderOfThreadsAndWaitsDoesNotMatter) {
  Looks looks;
  std::swap(looks.before.raw.threads[0], looks.before.raw.threads[2]);
  looks.before.waits[0].thread = 2;
  looks.before.waits[1].thread = 0;
  std::swap(looks.before.waits[0], looks.before.waits[1]);
  EXPECT_TRUE(looks.stands());
  EXPECT_TRUE(looks.quiet(0));
}

struct Change {
  const char* name;
  std::function<void(Looks&)> make;
};
std::ostream& operator<<(std::ostream& out, const Change& change) { return out << change.name; }

class ChangedWait : public ::testing::TestWithParam<Change> {};

TEST_P(ChangedWait, DoesNotStand) {
  Looks looks;
  GetParam().make(looks);
  EXPECT_FALSE(looks.stands());
}

INSTANTIATE_TEST_SUITE_P(
    CompareLooks, ChangedWait,
    ::testing::Values(Change{"thread_is_new", [](Looks& l) { l.thread(0).id.start_ns += 1; }},
                      Change{"thread_was_not_waiting", [](Looks& l) { l.before.waits.erase(l.before.waits.begin()); }},
                      Change{"fingerprint", [](Looks& l) { l.wait().fingerprint += 1; }},
                      Change{"voluntary_switches", [](Looks& l) { l.thread(0).voluntary_switches += 1; }},
                      Change{"involuntary_switches", [](Looks& l) { l.thread(0).involuntary_switches += 1; }},
                      Change{"moved_now", [](Looks& l) { l.thread(0).moved = true; }},
                      Change{"moved_before", [](Looks& l) { l.before.raw.threads[0].moved = true; }},
                      Change{"unreadable", [](Looks& l) { l.thread(0).readable = false; }},
                      Change{"running", [](Looks& l) { l.thread(0).state = ThreadState::running; }},
                      Change{"exiting", [](Looks& l) { l.thread(0).state = ThreadState::exiting; }},
                      Change{"was_running", [](Looks& l) { l.before.raw.threads[0].state = ThreadState::running; }},
                      Change{"lock",
                             [](Looks& l) {
                               l.wait().lock.place = PrivateWord{10, 0x108};
                             }},
                      Change{"kind", [](Looks& l) { l.wait().kind = LockKind::recursive_mutex; }},
                      Change{"mode", [](Looks& l) { l.wait().mode = Mode::shared; }},
                      Change{"owner", [](Looks& l) { l.wait().obstacles[0].any_of[0].thread.tid = 13; }},
                      Change{"one_more_obstacle",
                             [](Looks& l) { l.wait().obstacles.push_back(l.wait().obstacles[0]); }},
                      Change{"no_obstacle", [](Looks& l) { l.wait().obstacles.clear(); }},
                      Change{"known", [](Looks& l) { l.wait().obstacles[0].known = false; }},
                      Change{"owner_gone", [](Looks& l) { l.wait().owner_gone = OwnerGone::exited; }},
                      Change{"gone_owner", [](Looks& l) { l.wait().gone_owner = 4; }},
                      Change{"range", [](Looks& l) { l.wait().range_end = 9; }},
                      Change{"timed", [](Looks& l) { l.wait().timed = true; }},
                      Change{"transient_now", [](Looks& l) { l.wait().owner_transient = true; }},
                      Change{"transient_before", [](Looks& l) { l.before.waits[0].owner_transient = true; }}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(CompareLooks, StoppedThreadIsStillInItsWaitButNotQuiet) {
  Looks looks;
  looks.thread(0).state = looks.before.raw.threads[0].state = ThreadState::stopped;
  EXPECT_TRUE(looks.stands());
  EXPECT_FALSE(looks.quiet(0));
}

class ChangedSleeper : public ::testing::TestWithParam<Change> {};

TEST_P(ChangedSleeper, IsNotQuiet) {
  Looks looks;
  GetParam().make(looks);
  EXPECT_FALSE(looks.quiet(1));
}

INSTANTIATE_TEST_SUITE_P(
    CompareLooks, ChangedSleeper,
    ::testing::Values(Change{"thread_is_new", [](Looks& l) { l.thread(1).id.start_ns += 1; }},
                      Change{"voluntary_switches", [](Looks& l) { l.thread(1).voluntary_switches += 1; }},
                      Change{"involuntary_switches", [](Looks& l) { l.thread(1).involuntary_switches += 1; }},
                      Change{"moved", [](Looks& l) { l.thread(1).moved = true; }},
                      Change{"unreadable", [](Looks& l) { l.thread(1).readable = false; }},
                      Change{"running", [](Looks& l) { l.thread(1).state = ThreadState::running; }},
                      Change{"was_running", [](Looks& l) { l.before.raw.threads[1].state = ThreadState::running; }},
                      Change{"stopped", [](Looks& l) { l.thread(1).state = ThreadState::stopped; }},
                      Change{"timer", [](Looks& l) { l.thread(1).timer_armed = true; }},
                      Change{"unknown_call", [](Looks& l) { l.thread(1).syscall.reset(); }},
                      Change{"other_call_before", [](Looks& l) { l.before.raw.threads[1].syscall = 34; }},
                      Change{"call_of_a_32_bit_program", [](Looks& l) { l.thread(1).compat = true; }}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(CompareLooks, OnlyCallsWithoutTimeoutAreQuiet) {
  Looks looks;
  const auto quiet_in = [&](std::int64_t call) {
    looks.thread(1).syscall = looks.before.raw.threads[1].syscall = call;
    return looks.quiet(1);
  };
  for (const std::int64_t call : {0, 34, 43, 45, 61, 65, 72, 73, 130, 247, 288}) EXPECT_TRUE(quiet_in(call)) << call;
  // write, poll, select, nanosleep, futex, clock_nanosleep, epoll_wait, pselect6, ppoll, epoll_pwait
  for (const std::int64_t call : {1, 7, 23, 35, 202, 230, 232, 270, 271, 281}) EXPECT_FALSE(quiet_in(call)) << call;
}

TEST(CompareLooks, TimedWaiterIsNotQuiet) {
  Looks looks;
  looks.before.waits[1].timed = looks.now.waits[1].timed = true;
  EXPECT_TRUE(compare_looks(looks.before, looks.now).standing.at(1));
  EXPECT_FALSE(looks.quiet(2));
}

TEST(CompareLooks, NothingInCommon) {
  const Looks looks;
  const Comparison comparison = compare_looks(Sample{}, looks.now);
  EXPECT_EQ(comparison.standing, std::vector<bool>(2, false));
  EXPECT_EQ(comparison.quiet, std::vector<bool>(3, false));
  EXPECT_TRUE(compare_looks(looks.now, Sample{}).standing.empty());
}

}  // namespace
}  // namespace lockscope::test
