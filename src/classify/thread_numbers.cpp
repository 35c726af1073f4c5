// SPDX-License-Identifier: Apache-2.0
#include "classify/thread_numbers.h"

#include <algorithm>
#include <utility>

namespace lockscope {
namespace {

// Where the identity of the address space could not be read the process stands for it.
using MemoryKey = std::pair<std::uint64_t, pid_t>;

MemoryKey memory_of(const Thread* t) { return {t->address_space, t->address_space == 0 ? t->pid : 0}; }

std::pair<MemoryKey, pid_t> process_of(const Thread* t) { return {memory_of(t), t->pid}; }

std::pair<MemoryKey, pid_t> place_of(const Thread* t) { return {memory_of(t), t->ns_tid}; }

template <class Range>
std::span<const Thread* const> view(Range range) {
  return {range.begin(), range.end()};
}

}  // namespace

ThreadNumbers::ThreadNumbers(std::span<const Thread> threads) {
  by_memory_.reserve(threads.size());
  for (const Thread& t : threads) by_memory_.push_back(&t);
  by_number_ = by_memory_;
  processes_ = by_memory_;
  std::ranges::stable_sort(processes_, {}, process_of);
  const auto [first, last] = std::ranges::unique(processes_, {}, process_of);
  processes_.erase(first, last);
  std::ranges::stable_sort(by_memory_, {}, place_of);
  std::ranges::stable_sort(by_number_, {}, &Thread::ns_tid);
}

std::span<const Thread* const> ThreadNumbers::in_memory_of(const Thread& member, pid_t number) const {
  return view(std::ranges::equal_range(by_memory_, std::pair{memory_of(&member), number}, {}, place_of));
}

std::span<const Thread* const> ThreadNumbers::sharing_memory_with(const Thread& member) const {
  return view(std::ranges::equal_range(by_memory_, memory_of(&member), {}, memory_of));
}

std::vector<pid_t> ThreadNumbers::processes_sharing_memory_with(const Thread& member) const {
  std::vector<pid_t> out;
  for (const Thread* t : view(std::ranges::equal_range(processes_, memory_of(&member), {}, memory_of))) {
    out.push_back(t->pid);
  }
  return out;
}

std::span<const Thread* const> ThreadNumbers::everywhere(pid_t number) const {
  return view(std::ranges::equal_range(by_number_, number, {}, &Thread::ns_tid));
}

}  // namespace lockscope
