// SPDX-License-Identifier: Apache-2.0
// Where the words lie on which processes wait: in shared memory, at which place, or not. Asked of the maps of living
// processes, at most kMapsEachTick of them between two calls of begin_tick(), and remembered for kTrustNs: a process may
// map something else at the same address. For contention_source.cpp, from one thread.
// Cost: a remembered word 0.2 us; else the maps of its process, about 30 us, once a tick.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>

#include "lockscope/contention.h"
#include "source/code_modules.h"
#include "source/proc_files.h"
#include "source/proc_maps.h"

namespace lockscope {

class WordPlaces {
 public:
  // `proc` is a descriptor of /proc that outlives this.
  explicit WordPlaces(int proc) : proc_(proc), modules_(proc) {}

  void begin_tick(std::uint64_t now_ns);
  // Of a process that started then. Nothing: in private memory, or not known.
  [[nodiscard]] std::optional<SharedPlace> place(pid_t pid, std::uint64_t start_ns, std::uint64_t address);
  // What fill_places() says of a wait in a look (wait_places.h).
  void fill(RawWait& wait, pid_t pid, std::uint64_t start_ns);
  // Words of which nothing could be found out in this tick because the host had too many processes to ask.
  [[nodiscard]] std::uint64_t not_asked() const { return not_asked_; }

  static constexpr std::size_t kMapsEachTick = 256;
  static constexpr std::size_t kMaxWords = 16384;
  static constexpr std::uint64_t kTrustNs = 10'000'000'000;

 private:
  [[nodiscard]] const ProcessMaps* maps_of(pid_t pid, std::uint64_t start_ns);
  [[nodiscard]] bool is_process(pid_t pid, std::uint64_t start_ns);

  struct Known {
    std::optional<SharedPlace> place;
    std::uint64_t asked_ns = 0;
  };
  int proc_;
  CodeModules modules_;
  FileReader reader_;
  std::uint64_t now_ns_ = 0;
  std::uint64_t not_asked_ = 0;
  std::map<std::pair<pid_t, std::uint64_t>, std::optional<ProcessMaps>> maps_;  // of this tick
  std::map<std::tuple<pid_t, std::uint64_t, std::uint64_t>, Known> words_;
};

}  // namespace lockscope
