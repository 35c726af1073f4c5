// SPDX-License-Identifier: Apache-2.0
// Looks that were recorded or written by hand, given in their order: the pipeline runs on them as on a host. After the
// last look, the last again. Called by the pipeline. Cost: a copy of the look.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "lockscope/source.h"
#include "source/trace_text.h"

namespace lockscope {

// Memory as it was recorded. A question that was asked is answered as it was then: the same number of times in the same
// order, then by the last answer. A read that was not asked is served from recorded bytes that cover it; all else is
// not known. Keeps a pointer to the log.
class ReplayMemory final : public ProcessMemory {
 public:
  explicit ReplayMemory(const MemoryLog& log) : log_(&log) {}

  // Another log, from its beginning.
  void restart(const MemoryLog& log);

  [[nodiscard]] bool read(pid_t pid, std::uint64_t address, std::span<std::uint8_t> out) override;
  [[nodiscard]] Mapping maps(pid_t pid, const SharedPlace& place) override;
  [[nodiscard]] pid_t number_in_namespace_of(pid_t observer, pid_t pid) override;
  [[nodiscard]] pid_t process_of_pidfd(pid_t pid, int fd) override;
  [[nodiscard]] bool catches_signals(pid_t pid) override;

 private:
  template <class Question, class Answer>
  [[nodiscard]] std::optional<Answer> next(const MemoryLog::Answers<Question, Answer>& answers,
                                           const Question& question);

  const MemoryLog* log_;
  std::map<const void*, std::size_t> given_;  // how many answers of a list were given
};

class ReplaySource final : public Source {
 public:
  // At least one look.
  explicit ReplaySource(std::vector<RecordedLook> looks);

  [[nodiscard]] Result<RawSample> sample() override;
  [[nodiscard]] ReplayMemory& memory() override { return memory_; }

 private:
  std::vector<RecordedLook> looks_;
  std::size_t next_ = 0;
  ReplayMemory memory_;
};

}  // namespace lockscope
