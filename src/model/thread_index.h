// SPDX-License-Identifier: Apache-2.0
// From identities to places in one look: a thread by its ThreadId, the threads of a process, the wait of a thread.
// Assumes that a thread has at most one wait. Pure; built once for a look, linear in its threads and waits.
#pragma once

#include <cstddef>
#include <span>
#include <unordered_map>
#include <vector>

#include "lockscope/sample.h"

namespace lockscope {

inline constexpr std::size_t kNone = static_cast<std::size_t>(-1);

class ThreadIndex {
 public:
  explicit ThreadIndex(const Sample& sample);

  [[nodiscard]] std::size_t find(const ThreadId& id) const;  // index into raw.threads, or kNone
  [[nodiscard]] std::size_t wait_of(std::size_t thread) const { return wait_of_[thread]; }  // or kNone

  // Processes are numbered from 0; a process without a thread in the look has no number.
  [[nodiscard]] std::size_t process_count() const { return first_.size() - 1; }
  [[nodiscard]] std::size_t process(pid_t pid) const;  // or kNone
  [[nodiscard]] std::size_t process_of(std::size_t thread) const { return process_of_[thread]; }
  [[nodiscard]] std::span<const std::size_t> threads_of(std::size_t process) const {
    return {threads_.data() + first_[process], first_[process + 1] - first_[process]};
  }

 private:
  struct Hash {
    std::size_t operator()(const ThreadId& id) const {
      return std::hash<std::uint64_t>{}(id.start_ns * 31 + static_cast<std::uint64_t>(id.tid));
    }
  };
  std::unordered_map<ThreadId, std::size_t, Hash> by_id_;
  std::unordered_map<pid_t, std::size_t> by_pid_;
  std::vector<std::size_t> process_of_;
  std::vector<std::size_t> first_;    // by process, and one more: where its threads begin in threads_
  std::vector<std::size_t> threads_;  // grouped by process
  std::vector<std::size_t> wait_of_;
};

}  // namespace lockscope
