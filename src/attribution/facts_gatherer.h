// SPDX-License-Identifier: Apache-2.0
// Gathers, once a tick, who the processes around file locks and shared locks are and where these locks lie. Live only;
// a replay has the facts that were recorded. Called by src/app, from one thread.
// Everything is bounded; what goes over the bound, has ended or may not be read is absent. Facts of a process are read
// again when its name or user changes, and now and then; a place now and then. Strings are hostile.
// Cost of a tick: 1 us for each known process and place; 50 us for each new one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "attribution/attribution.h"
#include "attribution/cgroup_ids.h"
#include "attribution/place_facts.h"
#include "lockscope/source.h"

namespace lockscope {

class FactsGatherer final : public FactsProvider {
 public:
  // Shares the names of accounts with `attribution`, which must outlive it.
  explicit FactsGatherer(Attribution& attribution);

  [[nodiscard]] HostFacts gather(const Sample& sample, const ContentionWindow& window) override;

  // Also the files of /dev/shm that processes of root and system users map. Reads the maps of all of these: about
  // 0.2 ms a process.
  void want_shared_memory(bool wanted) { shared_memory_wanted_ = wanted; }

 private:
  struct KnownProcess {
    ProcessFacts facts;
    std::string comm;
    std::uint64_t read_at = 0;  // tick
    std::uint64_t used_at = 0;
  };
  // A process that has the file: by this descriptor, or -1 where that is not known.
  struct Access {
    pid_t pid = 0;
    int fd = -1;
    friend auto operator<=>(const Access&, const Access&) = default;
  };
  struct KnownPlace {
    std::optional<PlaceFacts> facts;
    Access by;
    std::uint64_t start_ns = 0;  // of that process
    std::uint64_t read_at = 0;
    std::uint64_t used_at = 0;
  };
  struct Tick;  // what one call works on

  void add_sample(Tick& tick);
  void add_window(Tick& tick);
  void add_shared_memory(Tick& tick);
  void add_actor(Tick& tick, const Actor& actor);
  void add_process(Tick& tick, pid_t pid);
  void add_places(Tick& tick);
  void add_named_places(Tick& tick);
  void add_accounts(Tick& tick);
  [[nodiscard]] const KnownPlace* place_of(Tick& tick, const FileId& file, const std::vector<Access>& accesses);
  [[nodiscard]] std::optional<PlaceFacts> find_place(Tick& tick, const Access& access, const FileId& file);
  void forget_unused();

  std::string proc_;
  Accounts& accounts_;
  CgroupIds cgroups_;
  PlaceFinder places_;
  std::map<pid_t, KnownProcess> known_processes_;
  std::map<FileId, KnownPlace> known_places_;
  std::uint64_t tick_ = 0;
  std::uint64_t host_user_namespace_ = 0;
  bool shared_memory_wanted_ = false;
};

}  // namespace lockscope
