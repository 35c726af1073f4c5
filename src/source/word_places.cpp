// SPDX-License-Identifier: Apache-2.0
#include "source/word_places.h"

#include <unistd.h>

#include <array>
#include <cstdio>

#include "source/wait_places.h"

namespace lockscope {

void WordPlaces::begin_tick(std::uint64_t now_ns) {
  now_ns_ = now_ns;
  not_asked_ = 0;
  maps_.clear();
  modules_.begin_look();
  // Old ones go first; if that does not make room, all go: they are asked for again.
  std::erase_if(words_, [&](const auto& entry) { return entry.second.asked_ns + kTrustNs < now_ns_; });
}

// The number may have gone to another process since the kernel wrote it down.
bool WordPlaces::is_process(pid_t pid, std::uint64_t start_ns) {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "%d/stat", pid);
  const auto text = reader_.read(proc_, path.data());
  const auto stat = text ? parse_stat(*text) : std::nullopt;
  const auto tick_ns = 1'000'000'000u / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return stat && stat->start_ticks == start_ns / tick_ns;
}

const ProcessMaps* WordPlaces::maps_of(pid_t pid, std::uint64_t start_ns) {
  const auto found = maps_.find({pid, start_ns});
  if (found != maps_.end()) return found->second ? &*found->second : nullptr;
  if (maps_.size() >= kMapsEachTick) {
    ++not_asked_;
    return nullptr;
  }
  std::optional<ProcessMaps>& maps = maps_[{pid, start_ns}];
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "%d/maps", pid);
  maps = ProcessMaps::read(reader_, proc_, path.data());
  if (maps && !is_process(pid, start_ns)) maps.reset();
  return maps ? &*maps : nullptr;
}

std::optional<SharedPlace> WordPlaces::place(pid_t pid, std::uint64_t start_ns, std::uint64_t address) {
  const std::tuple word{pid, start_ns, address};
  if (const auto it = words_.find(word); it != words_.end()) return it->second.place;
  const ProcessMaps* maps = maps_of(pid, start_ns);
  if (maps == nullptr) return std::nullopt;
  if (words_.size() >= kMaxWords) words_.clear();
  return (words_[word] = {maps->shared_place(address), now_ns_}).place;
}

void WordPlaces::fill(RawWait& wait, pid_t pid, std::uint64_t start_ns) {
  const ProcessMaps* maps = maps_of(pid, start_ns);
  if (maps != nullptr) fill_places(wait, pid, *maps, modules_);
}

}  // namespace lockscope
