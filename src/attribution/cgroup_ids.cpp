// SPDX-License-Identifier: Apache-2.0
// Handles: fs/kernfs/mount.c, include/linux/exportfs.h FILEID_KERNFS (Linux 5.5 on).
#include "attribution/cgroup_ids.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/statfs.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "attribution/cgroup_names.h"
#include "attribution/proc_directory.h"

namespace lockscope {
namespace {

constexpr std::size_t kKnown = 4096;
constexpr int kKernfsHandle = 0xfe;

}  // namespace

CgroupIds::CgroupIds() {
  for (const char* point : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    UniqueFd fd(::open(point, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct statfs status {};
    if (!fd || ::fstatfs(fd.get(), &status) != 0 || status.f_type != CGROUP2_SUPER_MAGIC) continue;
    mount_ = std::move(fd);
    point_ = point;
    return;
  }
}

std::optional<CgroupFacts> CgroupIds::ask(std::uint64_t id) const {
  // struct file_handle ends in a flexible array, where the number goes.
  alignas(file_handle) std::array<char, sizeof(file_handle) + sizeof id> handle{};
  auto* const head = reinterpret_cast<file_handle*>(handle.data());
  head->handle_bytes = sizeof id;
  head->handle_type = kKernfsHandle;
  std::memcpy(handle.data() + sizeof(file_handle), &id, sizeof id);
  const UniqueFd folder(::open_by_handle_at(mount_.get(), head, O_PATH | O_CLOEXEC));
  if (!folder) return std::nullopt;
  const auto path = ProcDirectory("/proc/self/fd").link(std::to_string(folder.get()).c_str());
  if (!path || !path->starts_with(point_) || path->ends_with(" (deleted)")) return std::nullopt;
  CgroupFacts facts;
  facts.path = path->substr(point_.size());
  if (facts.path.empty()) facts.path = "/";
  if (!facts.path.starts_with('/')) return std::nullopt;
  facts.unit = unit_of(facts.path);
  facts.container = container_of(facts.path);
  return facts;
}

const CgroupFacts* CgroupIds::find(std::uint64_t id) {
  if (id == 0 || !mount_) return nullptr;
  auto known = known_.find(id);
  if (known == known_.end()) {
    if (order_.size() >= kKnown) {
      known_.erase(order_.front());
      order_.pop_front();
    }
    known = known_.emplace(id, ask(id)).first;
    order_.push_back(id);
  }
  return known->second ? &*known->second : nullptr;
}

}  // namespace lockscope
