// SPDX-License-Identifier: Apache-2.0
#include "model/thread_index.h"

#include <cassert>

namespace lockscope {

ThreadIndex::ThreadIndex(const Sample& sample)
    : process_of_(sample.raw.threads.size()), threads_(sample.raw.threads.size()),
      wait_of_(sample.raw.threads.size(), kNone) {
  const std::vector<Thread>& threads = sample.raw.threads;
  by_id_.reserve(threads.size());
  std::vector<std::size_t> sizes;
  for (std::size_t t = 0; t < threads.size(); ++t) {
    by_id_.emplace(threads[t].id, t);
    const auto [place, is_new] = by_pid_.emplace(threads[t].pid, sizes.size());
    if (is_new) sizes.push_back(0);
    process_of_[t] = place->second;
    ++sizes[place->second];
  }
  first_.assign(sizes.size() + 1, 0);
  for (std::size_t p = 0; p < sizes.size(); ++p) first_[p + 1] = first_[p] + sizes[p];
  std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
  for (std::size_t t = 0; t < threads.size(); ++t) threads_[next[process_of_[t]]++] = t;

  for (std::size_t w = 0; w < sample.waits.size(); ++w) {
    assert(sample.waits[w].thread < threads.size());
    wait_of_[sample.waits[w].thread] = w;
  }
}

std::size_t ThreadIndex::find(const ThreadId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? kNone : found->second;
}

std::size_t ThreadIndex::process(pid_t pid) const {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? kNone : found->second;
}

}  // namespace lockscope
