// SPDX-License-Identifier: Apache-2.0
// Calls on locks in memory that two users share are counted to the last one, calls on other locks and in other
// processes not at all, and the code of the probed processes is left as it was.
#include "source/shared_lock_probes.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "source/bpf_source.h"
#include "tests/kernel/shared_lock_peer.h"

namespace lockscope::test {
namespace {

class SharedLocks : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    auto source = BpfSource::create();
    if (!source) GTEST_SKIP() << "feature missing: " << source.error().line();
    source_ = *std::move(source);
    start();
  }

  void start() {
    auto probes = SharedLockProbes::create(GetParam());
    if (!probes && probes.error().kind == ErrorKind::unsupported) {
      GTEST_SKIP() << "feature missing: " << probes.error().line();
    }
    ASSERT_TRUE(probes) << probes.error().line();
    probes_ = *std::move(probes);
  }

  void tick() {
    auto look = source_->sample();
    ASSERT_TRUE(look);
    probes_->update(*look);
  }

  [[nodiscard]] bool probed(const Peer& peer) const { return std::ranges::count(probes_->probed(), peer.pid()) > 0; }

  // As many ticks as it takes; false: it does not come.
  bool tick_until(const std::function<bool()>& wanted) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!wanted()) {
      tick();
      collect();
      if (HasFatalFailure() || std::chrono::steady_clock::now() > deadline) return false;
    }
    return true;
  }

  void collect() { probes_->collect(uses_, lost_); }

  // All that was counted of this process and place until now.
  SharedLockUse use_of(const Peer& peer, const SharedPlace& place, bool semaphore) {
    SharedLockUse sum;
    for (const SharedLockUse& use : uses_) {
      if (use.actor.pid != peer.pid() || use.place != place || use.semaphore != semaphore) continue;
      sum.actor = use.actor;
      sum.acquired += use.acquired;
      sum.released += use.released;
      sum.failed += use.failed;
      sum.last_acquired_ns = std::max(sum.last_acquired_ns, use.last_acquired_ns);
      sum.last_released_ns = std::max(sum.last_released_ns, use.last_released_ns);
      if (use.failed > 0 && sum.first_failed_ns == 0) sum.first_failed_ns = use.first_failed_ns;
      sum.last_failed_ns = std::max(sum.last_failed_ns, use.last_failed_ns);
    }
    return sum;
  }
  std::uint64_t calls_of(const Peer& peer) {
    std::uint64_t calls = 0;
    for (const SharedLockUse& use : uses_) {
      if (use.actor.pid == peer.pid()) calls += use.acquired + use.released + use.failed;
    }
    return calls;
  }

  std::unique_ptr<BpfSource> source_;
  std::unique_ptr<SharedLockProbes> probes_;
  std::vector<SharedLockUse> uses_;
  std::map<std::string, std::uint64_t> lost_;
};

TEST_P(SharedLocks, OfTwoUsersAreCountedExactly) {
  const SharedFile file(3);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  collect();
  uses_.clear();

  EXPECT_EQ(outsider.ask(Act::lock), 0);
  EXPECT_EQ(outsider.ask(Act::wait, 2), 0);
  EXPECT_EQ(outsider.ask(Act::try_semaphore, 1), 0);
  EXPECT_EQ(victim.ask(Act::try_mutex, 1000), 1000);
  EXPECT_EQ(victim.ask(Act::try_semaphore, 300), 300);
  collect();
  EXPECT_EQ(victim.ask(Act::try_mutex, 17), 17);
  EXPECT_EQ(victim.ask(Act::timed_mutex, 5), 5);
  EXPECT_EQ(victim.ask(Act::wait_long), ETIMEDOUT);
  EXPECT_EQ(victim.ask(Act::timed_semaphore, 7), 7);
  EXPECT_EQ(outsider.ask(Act::post, 2), 0);
  EXPECT_EQ(outsider.ask(Act::unlock), 0);
  EXPECT_EQ(victim.ask(Act::try_mutex), 0);
  collect();

  const SharedLockUse tried = use_of(victim, file.at(kMutexAt), false);
  // Even who comes too late to wait may be put to sleep by the kernel: then it was a wait, which the scheduler saw.
  EXPECT_GE(tried.failed, 1017u);
  EXPECT_LE(tried.failed, 1022u) << "the one that slept is not a try";
  EXPECT_EQ(tried.acquired, 1u);
  EXPECT_EQ(tried.actor.uid, kVictim);
  EXPECT_EQ(tried.actor.pid, victim.pid());
  EXPECT_GT(tried.first_failed_ns, 0u);
  EXPECT_LT(tried.first_failed_ns, tried.last_failed_ns);
  EXPECT_LT(tried.last_failed_ns, tried.last_acquired_ns);
  const SharedLockUse in_vain = use_of(victim, file.at(kSemaphoreAt), true);
  EXPECT_GE(in_vain.failed, 300u);
  EXPECT_LE(in_vain.failed, 307u);
  EXPECT_EQ(in_vain.acquired, 0u);
  const SharedLockUse taken = use_of(outsider, file.at(kSemaphoreAt), true);
  EXPECT_EQ(taken.acquired, 3u);
  EXPECT_EQ(taken.released, 2u);
  EXPECT_EQ(taken.failed, 0u);
  EXPECT_EQ(taken.actor.uid, kOutsider);
  EXPECT_LT(taken.last_acquired_ns, taken.last_released_ns);
  EXPECT_EQ(calls_of(victim), tried.failed + 1u + in_vain.failed);
  EXPECT_EQ(calls_of(outsider), 5u) << "a mutex names its owner: its lock and unlock are not probed";
  for (const auto& [cause, count] : lost_) {  // other processes of the host may be lost for reasons of their own
    EXPECT_FALSE(cause.starts_with("shared-memory lock calls")) << cause;
  }
}

TEST_P(SharedLocks, AreCountedForAWaitThatSlept) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  victim.tell(Act::wait);
  ASSERT_TRUE(tick_until([&] {
    return use_of(outsider, file.at(kSemaphoreAt), true).failed > 0 || [&] {
      outsider.ask(Act::try_semaphore);
      return false;
    }();
  }));
  EXPECT_EQ(use_of(victim, file.at(kSemaphoreAt), true).acquired, 0u);
  EXPECT_EQ(outsider.ask(Act::post), 0);
  EXPECT_EQ(victim.answer(), 0);
  collect();
  EXPECT_EQ(use_of(victim, file.at(kSemaphoreAt), true).acquired, 1u);
  EXPECT_EQ(use_of(outsider, file.at(kSemaphoreAt), true).released, 1u);
}

TEST_P(SharedLocks, OfOneDomainAndPrivateOnesAreLeftAlone) {
  const SharedFile shared(0);
  const SharedFile own(0);
  const Peer victim(kVictim, shared);
  const Peer outsider(kOutsider, shared);
  const Peer one(kVictim, own);
  const Peer other(kVictim, own);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  EXPECT_FALSE(probed(one));
  EXPECT_FALSE(probed(other));
  EXPECT_EQ(victim.ask(Act::try_private, 500), 1000);
  EXPECT_EQ(one.ask(Act::lock), 0);
  EXPECT_EQ(other.ask(Act::try_mutex, 100), 100);
  tick();
  collect();
  EXPECT_EQ(calls_of(victim), 0u);
  EXPECT_EQ(calls_of(other), 0u);
  EXPECT_EQ(victim.ask(Act::try_semaphore), 1);
  collect();
  EXPECT_EQ(calls_of(victim), 1u) << "the probes are there";
}

TEST_P(SharedLocks, AreNotMistakenAfterExecAndExit) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  const Peer third(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider) && probed(third); }));
  EXPECT_EQ(third.ask(Act::try_semaphore, 3), 3);
  third.die();
  victim.tell(Act::exec);
  ASSERT_TRUE(tick_until([&] { return !probed(victim) && !probed(third); }));
  EXPECT_EQ(use_of(third, file.at(kSemaphoreAt), true).failed, 3u) << "what was counted before its end is told";
  EXPECT_EQ(use_of(victim, file.at(kSemaphoreAt), true).failed, 0u);
  EXPECT_EQ(::kill(victim.pid(), 0), 0);
}

// At once, unless another lockscope looks at this host as well: then when that one has ended, too.
bool comes_back(const Peer& peer, const std::vector<std::uint8_t>& code) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (peer.code() != code) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST_P(SharedLocks, AreProbedAndLeftAsTheyWereUnderLoad) {
  const SharedFile file(2);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  const Peer bystander(kVictim, SharedFile(1));
  const int rounds = std::getenv("LOCKSCOPE_SLOW_HOST") != nullptr ? 2 : 20;
  const auto before = victim.code();
  victim.ask(Act::load, 3);
  outsider.ask(Act::load, 1);
  for (int round = 0; round < rounds; ++round) {
    ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); })) << round;
    EXPECT_NE(victim.code(), before) << "a probe is a byte of its code";
    EXPECT_TRUE(comes_back(bystander, before));
    probes_.reset();
    ASSERT_TRUE(comes_back(victim, before)) << round;
    ASSERT_TRUE(comes_back(outsider, before)) << round;
    start();
    ASSERT_TRUE(probes_);
  }
  EXPECT_EQ(victim.ask(Act::post), 0) << "it lives and answers";
  EXPECT_EQ(outsider.ask(Act::post), 0);
  EXPECT_EQ(victim.ask(Act::wait, 4), 0) << "no post and no wait went wrong";
  EXPECT_EQ(victim.ask(Act::try_semaphore), 1);
}

TEST_P(SharedLocks, LetASleeperReturnAfterTheyWereLeft) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  victim.tell(Act::wait, 2);
  EXPECT_EQ(outsider.ask(Act::post), 0);
  ASSERT_TRUE(tick_until([&] { return use_of(victim, file.at(kSemaphoreAt), true).acquired == 1; }));
  probes_.reset();
  EXPECT_EQ(outsider.ask(Act::post), 0);
  EXPECT_EQ(victim.answer(), 0);
}

// The price of a probed return: a thread that is cancelled there is not unwound. So where a program may cancel threads,
// waits are left alone; tries are not, which nobody can cancel.
TEST_P(SharedLocks, LeaveWaitsAloneWhereThreadsAreCancelled) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_EQ(victim.ask(Act::load_canceller), 0);
  EXPECT_EQ(victim.ask(Act::cancel), 1) << "without probes";
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  EXPECT_EQ(victim.ask(Act::cancel), 1);
  EXPECT_EQ(victim.ask(Act::try_semaphore, 3), 3);
  collect();
  EXPECT_EQ(calls_of(victim), 3u);
  EXPECT_EQ(lost_["process that cancels threads: its semaphore waits"], 1u);
}

TEST_P(SharedLocks, NoticeALibraryThatCancelsThreads) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  ASSERT_EQ(victim.ask(Act::load_canceller), 0);
  const char* cause = "process that cancels threads: its semaphore waits";
  ASSERT_TRUE(tick_until([&] { return lost_[cause] == 1 && probed(victim); }));
  EXPECT_EQ(victim.ask(Act::cancel), 1);
}

// On a kernel whose filters stop a probed return the process is left alone; elsewhere it is counted. It lives in any
// case.
TEST_P(SharedLocks, DoNotKillAProcessWithACallFilter) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_EQ(victim.ask(Act::filter), 0);
  ASSERT_TRUE(tick_until([&] { return probed(outsider); }));
  const char* cause = "process with a system-call filter: not to be probed on this kernel";
  ASSERT_TRUE(tick_until([&] { return probed(victim) || lost_[cause] > 0; }));
  EXPECT_EQ(victim.ask(Act::try_semaphore, 5), 5);
  collect();
  EXPECT_EQ(calls_of(victim), probed(victim) ? 5u : 0u);
}

TEST_P(SharedLocks, AreGivenUpWhereOtherLocksAreCalledTooOften) {
  const SharedFile file(0);
  const Peer victim(kVictim, file);
  const Peer outsider(kOutsider, file);
  ASSERT_TRUE(tick_until([&] { return probed(victim) && probed(outsider); }));
  collect();
  EXPECT_EQ(victim.ask(Act::try_private, 100'000), 200'000);
  collect();
  EXPECT_FALSE(probed(victim));
  EXPECT_TRUE(probed(outsider));
  EXPECT_EQ(lost_["process with too many private lock calls to be probed"], 1u);
  const auto before = outsider.code();
  ASSERT_TRUE(tick_until([&] { return victim.code() != before; })) << "its probes are taken away";
  EXPECT_FALSE(probed(victim)) << "and do not come back";
}

INSTANTIATE_TEST_SUITE_P(Probes, SharedLocks, testing::Bool(),
                         [](const auto& param) { return param.param ? "by_session" : "by_entry_and_return"; });

}  // namespace
}  // namespace lockscope::test
