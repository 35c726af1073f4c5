// SPDX-License-Identifier: Apache-2.0
// The mounts of one mount namespace, as /proc/PID/mountinfo tells them: which file system lies where, and whether a
// look at it can hang. Text of the kernel with paths that others chose. For src/attribution. Cost: about 1 us a mount.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lockscope {

struct Mount {
  int id = 0;
  std::uint64_t dev = 0;  // as FileId::dev
  std::string root;       // the folder of the file system that is mounted
  std::string point;      // where, seen from the process' root
  bool local = false;     // answers without a server: nothing that is not known to is believed to
};

class MountTable {
 public:
  // Lines that are not understood are left out; so are those beyond 65,536.
  [[nodiscard]] static MountTable parse(std::string_view mountinfo);

  [[nodiscard]] const Mount* with_id(int id) const;
  // The mount that is seen at this place: of several on one point, the last.
  [[nodiscard]] const Mount* at_point(std::string_view path) const;
  // The one with this device that holds the path, by the longest mount point.
  [[nodiscard]] const Mount* holding(std::string_view path, std::uint64_t dev) const;
  [[nodiscard]] const std::vector<Mount>& mounts() const { return mounts_; }

 private:
  std::vector<Mount> mounts_;
  std::map<std::string, std::size_t, std::less<>> by_point_;
};

// What of `path` lies below `folder`: "" for itself, "/a/b" below. Nothing: elsewhere.
[[nodiscard]] const char* below(const std::string& path, std::string_view folder);

}  // namespace lockscope
