// SPDX-License-Identifier: Apache-2.0
// What the tests of the contention source share: processes whose operations are known by number, windows added up, and
// the look into /proc that tells when a thread is asleep in a system call. Needs root; throws std::runtime_error where
// the stage itself does not stand.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "lockscope/contention.h"
#include "source/contention_source.h"

namespace lockscope::test {

// Skips where the kernel at hand cannot count contention, and names what it lacks.
class ContentionTest : public testing::Test {
 protected:
  void SetUp() override;
};

// A process of the test's own that runs `body` and ends; its status is 0 if `body` returned true. It dies with the test.
class Actress {
 public:
  explicit Actress(const std::function<bool()>& body, uid_t uid = 0);
  ~Actress();
  Actress(const Actress&) = delete;
  Actress& operator=(const Actress&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  // Waits for its end; whether `body` returned true.
  bool finish();
  void kill_and_reap();

 private:
  pid_t pid_ = -1;
};

// Returns once this thread (of any process) sleeps in the system call; gives up after a minute.
void await_asleep_in(pid_t pid, pid_t tid, long syscall);
[[nodiscard]] pid_t own_tid();
// How often this thread went to sleep. A wait with a timeout that was over before the thread slept is no contended wait.
[[nodiscard]] std::uint64_t own_sleeps();

// A short wait for a word of its own, left out of every Sum: by going to sleep once more a thread tells of a wait whose
// end the scheduler did not show, as it happens on some hosts.
void farewell();
// All that was made was counted, or is said to be lost.
[[nodiscard]] testing::AssertionResult accounted(std::uint64_t counted, std::uint64_t made,
                                                 const ContentionWindow& window);

// A number that processes share.
class SharedNumber {
 public:
  SharedNumber();
  ~SharedNumber();
  SharedNumber(const SharedNumber&) = delete;
  SharedNumber& operator=(const SharedNumber&) = delete;
  [[nodiscard]] std::atomic<std::uint64_t>& operator*() const { return *number_; }

 private:
  std::atomic<std::uint64_t>* number_;
};

[[nodiscard]] std::unique_ptr<BpfContentionSource> open_source(const ContentionSettings& settings = {});

// Adds up what one process did, over as many windows as there are.
struct Sum {
  void add(const ContentionWindow& window, pid_t pid);
  WaitCounts waits;  // of words
  std::uint64_t words = 0;
  FileLockUse uses;  // of all files
  std::map<std::string, std::uint64_t> lost;
  std::vector<LockEvent> events;
};
void operator+=(WaitCounts& to, const WaitCounts& more);

[[nodiscard]] std::uint64_t lost(const ContentionWindow& window, const std::string& cause);

}  // namespace lockscope::test
