// SPDX-License-Identifier: Apache-2.0
// Where the file of a lock lies and what guards the way to it. Found by what the kernel calls the descriptor or mapping
// of a process that has it, and believed only if the walk there ends at the very same file. A file that the process
// sees in a mount namespace of its own is looked for on the host (systemd's PrivateTmp=, the root of a container), and
// walked to from the process' own root where it has no name there. A semaphore that sem_open(3) has made is known to
// its maker under the passing name of its making (glibc links it to its own and removes that): /dev/shm is searched.
// For src/attribution, one thread. Cost: about 50 us a place, and once a tick 1 us for each mount.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "attribution/mounts.h"
#include "attribution/place_walk.h"
#include "attribution/proc_directory.h"
#include "lockscope/facts.h"
#include "lockscope/ids.h"

namespace lockscope {

class PlaceFinder {
 public:
  explicit PlaceFinder(const std::string& proc = "/proc");

  // Mounts may have changed.
  void begin_tick();

  // `process`: the folder in /proc of one of its threads. Nothing: it is another file, or cannot be known.
  [[nodiscard]] std::optional<PlaceFacts> of_descriptor(const ProcDirectory& process, int fd, const FileId& id);
  // `path`: as /proc/PID/maps gives it.
  [[nodiscard]] std::optional<PlaceFacts> of_mapping(const ProcDirectory& process, std::string path, const FileId& id);
  // What lies now where the process means by this name, by its working directory and through links on the way.
  [[nodiscard]] std::optional<PlaceFacts> of_name(const ProcDirectory& process, const std::string& name);

 private:
  [[nodiscard]] const MountTable& host_mounts();
  [[nodiscard]] const MountTable& mounts_of(const ProcDirectory& process);
  [[nodiscard]] bool on_host(const ProcDirectory& process) const;
  [[nodiscard]] std::optional<PlaceFacts> locate(const ProcDirectory& process, const std::string& path,
                                                 std::optional<int> mount_id, const FileId& id);
  [[nodiscard]] std::optional<PlaceFacts> renamed_in_shm(const FileId& id);
  [[nodiscard]] std::optional<PlaceFacts> seen_from_host(const std::string& path, const Mount& mount, const FileId& id);

  ProcDirectory self_;
  UniqueFd root_;
  std::uint64_t host_namespace_ = 0;  // inode of the mount namespace; 0: unknown
  std::optional<MountTable> host_mounts_;
  std::map<std::uint64_t, MountTable> mounts_;                     // by namespace
  std::optional<std::map<std::uint64_t, std::string>> shm_names_;  // by inode
};

}  // namespace lockscope
