// SPDX-License-Identifier: Apache-2.0
#include "detect/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace lockscope {
namespace {

// /proc tells the start of a thread in hundredths of a second, BPF in nanoseconds: what both can say.
constexpr std::uint64_t kStartUnit = 10'000'000;

}  // namespace

Fingerprint::Fingerprint(std::string_view kind) {
  for (const char c : kind) hash_.add_byte(static_cast<std::uint8_t>(c));
  hash_.add_byte(0);
}

Fingerprint& Fingerprint::add(std::uint64_t number) {
  hash_.add(number);
  return *this;
}

Fingerprint& Fingerprint::add(std::string_view text) {
  hash_.add(text);
  return *this;
}

Fingerprint& Fingerprint::add(const ThreadId& thread) {
  return add(static_cast<std::uint64_t>(thread.tid)).add(thread.start_ns / kStartUnit);
}

Fingerprint& Fingerprint::add_lock(const Sample& sample, const Wait& wait) {
  add(wait.lock.place.index());
  struct Visitor {
    Fingerprint& out;
    std::uint64_t pid;
    void operator()(const PrivateWord& word) const { out.add(pid).add(word.address); }
    void operator()(const SharedPlace& place) const { out.add(place.file.dev).add(place.file.ino).add(place.offset); }
    void operator()(const FileRange& range) const {
      out.add(range.file.dev).add(range.file.ino).add(range.whole ? 1 : 0);
    }
    void operator()(const ThreadEnd& end) const { out.add(end.thread); }
    void operator()(const SysvSet& set) const { out.add(set.id); }
  };
  std::visit(Visitor{*this, static_cast<std::uint64_t>(sample.raw.threads[wait.thread].pid)}, wait.lock.place);
  return *this;
}

Fingerprint& Fingerprint::add_lock(const ContendedLock& lock) {
  add(lock.index());
  struct Visitor {
    Fingerprint& out;
    void operator()(const WordOfProcess& word) const {
      out.add(static_cast<std::uint64_t>(word.pid)).add(word.address);
    }
    void operator()(const SharedPlace& place) const { out.add(place.file.dev).add(place.file.ino).add(place.offset); }
    void operator()(const LockOfFile& lock_of) const {
      out.add(lock_of.file.dev).add(lock_of.file.ino).add(std::uint64_t{lock_of.flock ? 1U : 0U});
    }
    void operator()(std::uint64_t set) const { out.add(set); }
  };
  std::visit(Visitor{*this}, lock);
  return *this;
}

std::string Fingerprint::hex() const { return fmt::format("{:016x}", hash_.value()); }

std::string fingerprint_of(std::string_view kind, const Sample& sample, std::span<const std::size_t> waits) {
  std::vector<std::size_t> order(waits.begin(), waits.end());
  std::ranges::sort(order, {}, [&](std::size_t w) { return sample.raw.threads[sample.waits[w].thread].id; });
  Fingerprint result(kind);
  for (const std::size_t w : order) {
    result.add(sample.raw.threads[sample.waits[w].thread].id).add_lock(sample, sample.waits[w]);
  }
  return result.hex();
}

}  // namespace lockscope
