// SPDX-License-Identifier: Apache-2.0
#include "attribution/place_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <string_view>

#include "attribution/proc_text.h"
#include "attribution/process_facts.h"

namespace lockscope {
namespace {

constexpr std::size_t kMountsLimit = 16 << 20;  // bytes of one mountinfo
constexpr std::size_t kNamespaces = 256;
constexpr int kCandidates = 16;  // mounts on the host that may show a file
constexpr std::string_view kDeleted = " (deleted)";
constexpr std::string_view kShm = "/dev/shm/";
constexpr std::size_t kShmNames = 65536;

MountTable read_mounts(const ProcDirectory& process) {
  std::string text;
  process.lines("mountinfo", kMountsLimit, [&](std::string_view line) { text.append(line).push_back('\n'); });
  return MountTable::parse(text);
}

// A folder and what lies below it, as below() gives it.
std::string joined(const std::string& folder, std::string_view rest) {
  while (rest.starts_with('/')) rest.remove_prefix(1);
  if (rest.empty()) return folder;
  return folder == "/" ? fmt::format("/{}", rest) : fmt::format("{}/{}", folder, rest);
}

std::map<std::uint64_t, std::string> names_in(const char* folder) {
  std::map<std::uint64_t, std::string> names;
  DIR* const entries = ::opendir(folder);
  if (entries == nullptr) return names;
  while (names.size() < kShmNames) {
    const dirent* const entry = ::readdir(entries);
    if (entry == nullptr) break;
    names.emplace(entry->d_ino, entry->d_name);
  }
  ::closedir(entries);
  return names;
}

std::optional<PlaceFacts> confirmed(std::optional<WalkedPlace> walked, const FileId& id, const MountTable& mounts) {
  if (!walked || !is_file(walked->last.get(), id, mounts)) return std::nullopt;
  return std::move(walked->facts);
}

}  // namespace

PlaceFinder::PlaceFinder(const std::string& proc)
    : self_(proc + "/self"), root_(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)),
      host_namespace_(namespace_of(self_, "ns/mnt")) {}

void PlaceFinder::begin_tick() {
  host_mounts_.reset();
  shm_names_.reset();
  mounts_.clear();
}

const MountTable& PlaceFinder::host_mounts() {
  if (!host_mounts_) host_mounts_ = read_mounts(self_);
  return *host_mounts_;
}

const MountTable& PlaceFinder::mounts_of(const ProcDirectory& process) {
  const std::uint64_t key = namespace_of(process, "ns/mnt");
  if (const auto known = mounts_.find(key); known != mounts_.end()) return known->second;
  if (mounts_.size() >= kNamespaces) mounts_.clear();
  return mounts_[key] = read_mounts(process);
}

bool PlaceFinder::on_host(const ProcDirectory& process) const {
  return host_namespace_ != 0 && namespace_of(process, "ns/mnt") == host_namespace_;
}

std::optional<PlaceFacts> PlaceFinder::of_descriptor(const ProcDirectory& process, int fd, const FileId& id) {
  if (fd < 0) return std::nullopt;
  const std::string name = fmt::format("fd/{}", fd);
  const auto path = process.link(name.c_str());
  const auto fdinfo = process.text(fmt::format("fdinfo/{}", fd).c_str());
  if (!path || !fdinfo) return std::nullopt;
  if (const auto inode = inode_of(*fdinfo); inode && *inode != id.ino) return std::nullopt;
  auto place = locate(process, *path, mount_id_of(*fdinfo), id);
  if (!place || !place->unlinked) return place;
  // No walk has shown its mode. Opening the link may ask a server, where the file lies on one.
  const auto mount_id = mount_id_of(*fdinfo);
  const Mount* mount = mount_id ? mounts_of(process).with_id(*mount_id) : nullptr;
  if (mount == nullptr || !mount->local) return place;
  const UniqueFd file(::openat(process.get(), name.c_str(), O_PATH | O_CLOEXEC));
  if (!file || !is_file(file.get(), id, mounts_of(process))) return std::nullopt;
  if (const auto permissions = permissions_of(file.get(), &place->created_ns)) place->file = *permissions;
  return place;
}

std::optional<PlaceFacts> PlaceFinder::of_mapping(const ProcDirectory& process, std::string path, const FileId& id) {
  for (std::size_t at = 0; (at = path.find("\\012", at)) != std::string::npos; ++at) {
    path[at] = '\n';
    path.erase(at + 1, 3);
  }
  return locate(process, path, std::nullopt, id);
}

std::optional<PlaceFacts> PlaceFinder::of_name(const ProcDirectory& process, const std::string& name) {
  const auto root = process.link("root");
  if (!root || name.empty()) return std::nullopt;
  std::string path = name;
  if (!path.starts_with('/')) {
    const auto directory = process.link("cwd");
    if (!directory || !directory->starts_with('/')) return std::nullopt;
    path = joined(*directory, name);
    // The kernel names it from our root, and the walk below begins at that of the process.
    if (*root != "/") return std::nullopt;
  }
  const bool host = on_host(process) && *root == "/";
  const UniqueFd start(host ? -1 : ::openat(process.get(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!host && !start) return std::nullopt;
  auto walked =
      walk_place(host ? root_.get() : start.get(), path, host ? host_mounts() : mounts_of(process), Links::follow);
  if (!walked) return std::nullopt;
  walked->facts.own_namespace = !host;
  return std::move(walked->facts);
}

std::optional<PlaceFacts> PlaceFinder::renamed_in_shm(const FileId& id) {
  if (!shm_names_) shm_names_ = names_in("/dev/shm");
  const auto name = shm_names_->find(id.ino);
  if (name == shm_names_->end()) return std::nullopt;
  const std::string path = fmt::format("{}{}", kShm, name->second);
  return confirmed(walk_place(root_.get(), path, host_mounts(), Links::refuse), id, host_mounts());
}

std::optional<PlaceFacts> PlaceFinder::seen_from_host(const std::string& path, const Mount& mount, const FileId& id) {
  const char* const rest = below(path, mount.point);
  if (rest == nullptr) return std::nullopt;
  const std::string inside = joined(mount.root, rest);
  int candidates = kCandidates;
  for (const Mount& here : host_mounts().mounts()) {
    const char* const tail = here.dev == mount.dev ? below(inside, here.root) : nullptr;
    if (tail == nullptr) continue;
    if (candidates-- == 0) break;
    if (auto place = confirmed(walk_place(root_.get(), joined(here.point, tail), host_mounts(), Links::refuse), id,
                               host_mounts())) {
      return place;
    }
  }
  return std::nullopt;
}

std::optional<PlaceFacts> PlaceFinder::locate(const ProcDirectory& process, const std::string& path,
                                              std::optional<int> mount_id, const FileId& id) {
  std::optional<PlaceFacts> place;
  if (!path.starts_with('/')) {  // a pipe, a socket, an anonymous inode
    place.emplace();
    place->unlinked = true;
  } else if (on_host(process)) {
    // The kernel names it from our root, whatever that of the process is.
    place = confirmed(walk_place(root_.get(), path, host_mounts(), Links::refuse), id, host_mounts());
  } else {
    const MountTable& mounts = mounts_of(process);
    const Mount* mount = mount_id ? mounts.with_id(*mount_id) : mounts.holding(path, id.dev);
    if (mount != nullptr) place = seen_from_host(path, *mount, id);
    const UniqueFd root(place ? -1 : ::openat(process.get(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (root) {
      place = confirmed(walk_place(root.get(), path, mounts, Links::refuse), id, mounts);
      if (place) place->own_namespace = true;
    }
  }
  if (!place && path.starts_with(kShm) && path.ends_with(kDeleted)) {
    if (auto found = renamed_in_shm(id)) return found;
  }
  if (!place && path.ends_with(kDeleted)) {
    place.emplace();
    place->unlinked = true;
  }
  if (place) place->path = path;
  return place;
}

}  // namespace lockscope
