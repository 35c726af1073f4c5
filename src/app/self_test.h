// SPDX-License-Identifier: Apache-2.0
// Proves, on this host and its C library, that the classifier tells the truth: a child process makes a contended mutex,
// a contended rwlock, a condition wait and a join whose owners are known by construction, and the first look must name
// them. What it gets wrong is not believed of any other process in this run. Used by snapshot and doctor.
// Cost: one short-lived child with four threads, about 2 ms.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/pipeline.h"

namespace lockscope {

class SelfTest final : public LookFilter {
 public:
  enum class Outcome { right, wrong, not_seen };
  struct Item {
    const char* what;
    Outcome outcome;
    std::string detail;
  };

  // Starts the child and waits (at most two seconds) until its threads are blocked. It never outlives this object, nor
  // this process. Call it while the process has one thread.
  [[nodiscard]] static std::unique_ptr<SelfTest> start();
  ~SelfTest() override;
  SelfTest(const SelfTest&) = delete;
  SelfTest& operator=(const SelfTest&) = delete;

  // Judges the child's waits, takes its threads out of the look, and ends the child.
  TrustedKinds examine(RawSample& raw, ProcessMemory& memory) override;
  [[nodiscard]] const std::vector<Item>& items() const { return items_; }
  // What was wrong, each in a sentence for the notes of a report.
  [[nodiscard]] std::vector<std::string> distrusted() const;

 private:
  SelfTest() = default;
  void end_child();

  pid_t child_ = 0;
  pid_t holder_ = 0;  // the threads, in this process's PID namespace
  pid_t mutex_waiter_ = 0;
  pid_t rwlock_waiter_ = 0;
  pid_t cond_waiter_ = 0;
  std::vector<Item> items_;
};

}  // namespace lockscope
