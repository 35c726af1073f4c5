// SPDX-License-Identifier: Apache-2.0
// What was asked of processes' memory during one look, and what it answered: a look saved with it replays the same.
// The same question may be answered differently as time passes, so answers are kept in order. A plain value.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "lockscope/raw_sample.h"
#include "lockscope/source.h"

namespace lockscope {

struct MemoryLog {
  struct Range {
    pid_t pid = 0;
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    friend auto operator<=>(const Range&, const Range&) = default;
  };
  template <class Question, class Answer>
  using Answers = std::map<Question, std::vector<Answer>>;  // never an empty list

  Answers<Range, std::optional<std::vector<std::uint8_t>>> reads;  // nothing: could not be read
  Answers<std::pair<pid_t, SharedPlace>, ProcessMemory::Mapping> mappings;
  Answers<std::pair<pid_t, pid_t>, pid_t> numbers;  // (observer, pid)
  Answers<std::pair<pid_t, int>, pid_t> pidfds;     // (pid, descriptor)
  Answers<pid_t, bool> catching_signals;

  friend bool operator==(const MemoryLog&, const MemoryLog&) = default;
};

}  // namespace lockscope
