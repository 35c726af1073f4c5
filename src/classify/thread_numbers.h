// SPDX-License-Identifier: Apache-2.0
// Which threads a number in lock memory can mean. User space writes the number that a thread has in its own PID
// namespace, so it means one thread only together with the memory that it was found in.
// Built once a look; n log n in threads, three pointers a thread at most. Views only: valid as long as the thread
// table.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "lockscope/raw_sample.h"

namespace lockscope {

class ThreadNumbers {
 public:
  explicit ThreadNumbers(std::span<const Thread> threads);

  // Threads that share the memory of `member` and carry this number: none, one, or (processes that share memory
  // across PID namespaces) several.
  [[nodiscard]] std::span<const Thread* const> in_memory_of(const Thread& member, pid_t number) const;
  // All threads that share the memory of `member`, itself included.
  [[nodiscard]] std::span<const Thread* const> sharing_memory_with(const Thread& member) const;
  // Their processes, sorted: nearly always one.
  [[nodiscard]] std::vector<pid_t> processes_sharing_memory_with(const Thread& member) const;
  // Threads of any process that carry this number in their own namespace.
  [[nodiscard]] std::span<const Thread* const> everywhere(pid_t number) const;

 private:
  std::vector<const Thread*> by_memory_;  // by (address space, number)
  std::vector<const Thread*> by_number_;  // by number
  std::vector<const Thread*> processes_;  // by (address space, pid): one thread of each process
};

}  // namespace lockscope
