// SPDX-License-Identifier: Apache-2.0
// What the tests of the lock tracer share: processes that are traced while they do what is known by number, looks into
// their memory, and sums over a trace. Needs root; throws std::runtime_error where the stage itself does not stand.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "lockscope/lock_trace.h"
#include "source/lock_tracer.h"
#include "source/unique_fd.h"

namespace lockscope::test {

// Skips where the kernel at hand cannot probe lock functions, and names what it lacks.
class LockTracerTest : public testing::Test {
 protected:
  void SetUp() override;
};

// A process that is made before it is traced: it begins when it is told to, and stays when it is done until it is let
// go. Made before the tracer, for it would inherit the tracer's probes. It dies with the test.
class Traced {
 public:
  explicit Traced(const std::function<void()>& body);
  // Runs the program instead, with its input and output on pipes.
  explicit Traced(const std::vector<std::string>& command);
  ~Traced();
  Traced(const Traced&) = delete;
  Traced& operator=(const Traced&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void begin() const;
  void tell(char order) const;  // one byte of input, for a program
  // Whether the body has returned, a program: has ended or closed its output. What it wrote is in said().
  bool done();
  [[nodiscard]] const std::string& said() const { return said_; }
  // Whether it ended by itself with status 0; it is let go of for that.
  bool finish();

 private:
  pid_t pid_ = -1;
  UniqueFd orders_, answers_;
  bool done_ = false;
  std::string said_;
};

[[nodiscard]] std::unique_ptr<LockTracer> make_tracer(const TracerSettings& settings = {});
[[nodiscard]] std::unique_ptr<LockTracer> follow(const Traced& traced, const TracerSettings& settings = {});
// Keeps up with the traced until `wanted`; throws after a minute.
void update_until(LockTracer& tracer, const std::function<bool()>& wanted);
// Looks at the whole trace until `wanted` is true of it; throws after a minute. What threads that end tell last comes
// after they can be joined.
[[nodiscard]] LockTrace trace_when(LockTracer& tracer, const std::function<bool(const LockTrace&)>& wanted);
// All of it: follows, begins, waits until it is done.
[[nodiscard]] LockTrace trace_of(const std::function<void()>& body, const TracerSettings& settings = {});

// Sums of one lock, over all places that take it. `image`: of one image only.
struct UseOf {
  std::uint64_t acquired = 0, contended = 0, failed = 0;
  Durations wait, hold;
  std::vector<LockKind> kinds;  // each once
};
[[nodiscard]] UseOf use_of(const LockTrace& trace, const volatile void* lock, std::optional<Mode> mode = {},
                           std::optional<ImageId> image = {});
[[nodiscard]] std::uint64_t lost_in(const LockTrace& trace);
// Nothing that no real trace can have: times before it began, holds longer than it, sums that are not of the parts.
[[nodiscard]] testing::AssertionResult sane(const LockTrace& trace);
// What went wrong, by name and number: "relock 1, double_unlock 2".
[[nodiscard]] std::string misuses_in(const LockTrace& trace);

// Whether the code of the C library in this process is what is in its file.
[[nodiscard]] bool code_is_as_in_file(pid_t pid);
// The kernel's numbers of the BPF links that this process has open.
[[nodiscard]] std::vector<std::uint32_t> own_links();
[[nodiscard]] bool link_exists(std::uint32_t number);
[[nodiscard]] std::string tracer_peer();
[[nodiscard]] std::string late_library();

// A moment that has passed, for calls with a time-out.
inline constexpr timespec kPast{1, 0};
// For bodies: throws unless it is true, so that the traced does not end well.
void require(bool good);
void make_mutex(pthread_mutex_t& made, int type, int protocol = PTHREAD_PRIO_NONE, int robust = PTHREAD_MUTEX_STALLED);

// Another thread takes the lock, and lets go of it when this goes out of scope.
class HeldByAnother {
 public:
  HeldByAnother(const std::function<void()>& take, const std::function<void()>& let_go);
  ~HeldByAnother();
  HeldByAnother(const HeldByAnother&) = delete;
  HeldByAnother& operator=(const HeldByAnother&) = delete;

 private:
  std::atomic<bool> taken_ = false, over_ = false;
  std::thread thread_;
};

// Numbers that processes share; zero at first.
class SharedNumbers {
 public:
  SharedNumbers();
  ~SharedNumbers();
  SharedNumbers(const SharedNumbers&) = delete;
  SharedNumbers& operator=(const SharedNumbers&) = delete;
  [[nodiscard]] volatile std::uint64_t& operator[](std::size_t i) const { return numbers_[i]; }

 private:
  volatile std::uint64_t* numbers_;
};

}  // namespace lockscope::test
