// SPDX-License-Identifier: Apache-2.0
#include "source/replay_source.h"

#include <algorithm>
#include <cassert>

namespace lockscope {

void ReplayMemory::restart(const MemoryLog& log) {
  log_ = &log;
  given_.clear();
}

template <class Question, class Answer>
std::optional<Answer> ReplayMemory::next(const MemoryLog::Answers<Question, Answer>& answers,
                                         const Question& question) {
  const auto known = answers.find(question);
  if (known == answers.end()) return std::nullopt;
  std::size_t& given = given_[&known->second];
  const auto at = known->second.begin() + static_cast<std::ptrdiff_t>(std::min(given, known->second.size() - 1));
  ++given;
  return *at;
}

bool ReplayMemory::read(pid_t pid, std::uint64_t address, std::span<std::uint8_t> out) {
  if (const auto answer = next(log_->reads, MemoryLog::Range{pid, address, out.size()})) {
    if (!*answer) return false;
    std::ranges::copy(**answer, out.begin());
    return true;
  }
  // No record is longer than kMaxTraceRead, so none that starts further down reaches the address.
  const std::uint64_t lowest = address > kMaxTraceRead ? address - kMaxTraceRead : 0;
  for (auto range = log_->reads.lower_bound({pid, lowest, 0}); range != log_->reads.end(); ++range) {
    const auto& [where, answers] = *range;
    if (where.pid != pid || where.address > address) break;
    const std::uint64_t skipped = address - where.address;
    if (!answers.back() || skipped > where.length || where.length - skipped < out.size()) continue;
    std::copy_n(answers.back()->begin() + static_cast<std::ptrdiff_t>(skipped), out.size(), out.begin());
    return true;
  }
  return false;
}

ProcessMemory::Mapping ReplayMemory::maps(pid_t pid, const SharedPlace& place) {
  const auto answer = next(log_->mappings, std::pair(pid, place));
  return answer.value_or(Mapping::unknown);
}

pid_t ReplayMemory::number_in_namespace_of(pid_t observer, pid_t pid) {
  const auto answer = next(log_->numbers, std::pair(observer, pid));
  return answer.value_or(0);
}

pid_t ReplayMemory::process_of_pidfd(pid_t pid, int fd) {
  const auto answer = next(log_->pidfds, std::pair(pid, fd));
  return answer.value_or(0);
}

bool ReplayMemory::catches_signals(pid_t pid) {
  const auto answer = next(log_->catching_signals, pid);
  return answer.value_or(true);
}

ReplaySource::ReplaySource(std::vector<RecordedLook> looks) : looks_(std::move(looks)), memory_(looks_.front().memory) {
  assert(!looks_.empty());
}

Result<RawSample> ReplaySource::sample() {
  const RecordedLook& look = looks_[next_];
  next_ = std::min(next_ + 1, looks_.size() - 1);
  memory_.restart(look.memory);
  RawSample sample = look.sample;
  sample.source = "replay";
  return sample;
}

}  // namespace lockscope
