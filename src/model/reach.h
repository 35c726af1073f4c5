// SPDX-License-Identifier: Apache-2.0
// Who can get at a lock by its place in the file system, by which right, and the one change that closes the way. Pure:
// permission bits and owners go in, ways come out. Judged as the kernel judges (acl(5), path_resolution(7)): the owner
// by the owner's bits alone, a member of the group by the group's alone, everybody else by the last three; each
// directory above must let one pass. Owners count as having every right on what they own, since they may change its
// mode. Root and its capabilities are not asked about. Used by detectors. Cost: a few comparisons for each directory.
//
// Not looked at, so that a lock without a way here may still be reachable: further hard links to the file, other mounts
// of it, members of two groups at once, descriptors that were handed over, programs that run with a group of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lockscope/facts.h"

namespace lockscope {

// What somebody must be able to do with a file to keep others from its lock.
enum class NeededRight {
  open,   // any descriptor: a flock of either kind; a POSIX or OFD lock too is in a writer's way when it is shared
  write,  // to lock exclusively by fcntl, where shared locks harm nobody; to change a mutex or semaphore in memory
};

struct Way {
  enum class Who {
    anyone,  // every account of the host
    group,   // members of the group `id`
    owner,   // the user `id`
    listed,  // somebody whom an access list names, which is not read here
  } who = Who::anyone;
  enum class Right {
    take,        // open the file as it lies there, and lock it
    replace,     // put another file in its place, which the next to open it locks instead
    pre_create,  // make it first, where it is missing, as its owner
  } right = Right::take;
  std::uint32_t id = 0;
  bool by_writing = false;  // take: the mode lets one write, else only read
  std::string through;      // the file or directory whose mode or owner gives the right
  std::uint32_t mode = 0;   // of that: permission bits
  std::string explanation;  // "any user may read it (mode 0644)"
  friend bool operator==(const Way&, const Way&) = default;
};

// All ways, the worst first: everybody before groups before owners, taking before replacing before making it first.
// Ways of one party that add nothing (replace, for who may take) are left out. Nothing where the place has no name on
// the host, or none at all.
[[nodiscard]] std::vector<Way> ways_to(const PlaceFacts& place, NeededRight needed);

// The one change that closes a way, for a person. `unit`: the service that relies on the lock, where known.
[[nodiscard]] std::string change_that_closes(const PlaceFacts& place, const Way& way,
                                             const std::optional<std::string>& unit);

// "0640", "1777".
[[nodiscard]] std::string name_mode(std::uint32_t mode);

}  // namespace lockscope
