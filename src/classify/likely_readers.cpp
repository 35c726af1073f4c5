// SPDX-License-Identifier: Apache-2.0
#include "classify/likely_readers.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "classify/threads.h"

namespace lockscope {
namespace {

constexpr std::size_t kMaxThreads = 64;
constexpr std::uint64_t kStackBytes = 16384;
constexpr std::uint64_t kPage = 4096;

class ReaderSearch {
 public:
  ReaderSearch(Sample& sample, ProcessMemory& memory) : sample_(sample), memory_(memory) {
    for (const RawWait& w : sample.raw.waits) raw_of_thread_.emplace(w.thread, &w);
  }

  void run() {
    for (Wait& w : sample_.waits) {
      if (!w.reader_count || !w.address || w.obstacles.size() != 1) continue;
      Obstacle& obstacle = w.obstacles.front();
      if (!obstacle.candidates || obstacle.any_of.size() != 1) continue;
      const auto process = threads_of(sample_.raw.threads, sample_.raw.threads[w.thread].pid);
      if (!std::ranges::all_of(process, [](const Thread& t) { return t.state == ThreadState::blocked; })) continue;
      obstacle.likely = readers_of(w, process);
    }
  }

 private:
  [[nodiscard]] std::vector<Releaser> readers_of(const Wait& wait, std::span<const Thread> process) {
    std::vector<Releaser> out;
    for (const Thread& t : process) {
      if (searched_ >= kMaxThreads) break;
      const auto index = static_cast<std::size_t>(&t - sample_.raw.threads.data());
      const auto raw = raw_of_thread_.find(index);
      if (index == wait.thread || raw == raw_of_thread_.end() || ends_with_another(index)) continue;
      ++searched_;
      if (points_at(*raw->second, t.pid, *wait.address)) out.push_back(only(t));
    }
    return out;
  }

  // Who waits for the end of a thread has its argument on the stack: the lock, as often as not.
  [[nodiscard]] bool ends_with_another(std::size_t thread) const {
    const auto w = std::ranges::lower_bound(sample_.waits, thread, {}, &Wait::thread);
    return w != sample_.waits.end() && w->thread == thread && (w->kind == LockKind::join || w->kind == LockKind::child);
  }

  [[nodiscard]] bool points_at(const RawWait& raw, pid_t pid, std::uint64_t address) {
    if (std::ranges::find(raw.callee_saved, address) != raw.callee_saved.end()) return true;
    // Page by page: a stack ends where it ends.
    std::array<std::uint8_t, kPage> page{};
    for (std::uint64_t at = raw.sp & ~std::uint64_t{7}; at < raw.sp + kStackBytes;) {
      const std::uint64_t size = kPage - at % kPage;
      if (!memory_.read(pid, at, std::span(page).first(size))) return false;
      for (std::uint64_t i = 0; i + 8 <= size; i += 8) {
        std::uint64_t value = 0;
        std::memcpy(&value, page.data() + i, sizeof value);
        if (value == address) return true;
      }
      at += size;
    }
    return false;
  }

  Sample& sample_;
  ProcessMemory& memory_;
  std::unordered_map<std::size_t, const RawWait*> raw_of_thread_;
  std::size_t searched_ = 0;
};

}  // namespace

void find_likely_readers(Sample& sample, ProcessMemory& memory) {
  const bool wanted = std::ranges::any_of(sample.waits, [](const Wait& w) { return w.reader_count.has_value(); });
  if (wanted) ReaderSearch(sample, memory).run();
}

}  // namespace lockscope
