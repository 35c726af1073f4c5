// SPDX-License-Identifier: Apache-2.0
#include "attribution/place_walk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "attribution/proc_directory.h"
#include "attribution/proc_text.h"

namespace lockscope {
namespace {

constexpr std::size_t kDepth = 64;
constexpr int kLinks = 16;
constexpr int kStatFlags = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;

std::optional<struct statx> look_at(int fd) {
  struct statx status {};
  if (::statx(fd, "", kStatFlags, STATX_BASIC_STATS | STATX_BTIME, &status) != 0) return std::nullopt;
  return status;
}

bool has_access_list(int fd) {
  return ::getxattr(fmt::format("/proc/self/fd/{}", fd).c_str(), "system.posix_acl_access", nullptr, 0) > 0;
}

// The components still to go, the next one last.
void push_components(std::vector<std::string>& open, std::string_view path) {
  std::vector<std::string> components;
  while (!path.empty()) {
    const std::size_t end = path.find('/');
    const std::string_view component = path.substr(0, end);
    if (!component.empty() && component != ".") components.emplace_back(component);
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
  }
  while (!components.empty()) {
    open.push_back(std::move(components.back()));
    components.pop_back();
  }
}

std::optional<std::string> target_of(int link) {
  std::array<char, 4096> target{};
  const ssize_t size = ::readlinkat(link, "", target.data(), target.size());
  if (size <= 0 || static_cast<std::size_t>(size) == target.size()) return std::nullopt;
  return std::string(target.data(), static_cast<std::size_t>(size));
}

class Walk {
 public:
  Walk(int root, const MountTable& mounts) : root_(root), mounts_(mounts) {}

  std::optional<WalkedPlace> run(std::string_view path, Links links) {
    std::vector<std::string> open;
    push_components(open, path);
    if (!path.starts_with('/') || !start()) return std::nullopt;
    for (int links_left = kLinks; !open.empty();) {
      if (open.size() + steps_.size() > kDepth) return std::nullopt;
      const std::string name = std::move(open.back());
      open.pop_back();
      if (name == "..") {
        if (steps_.size() > 1) steps_.pop_back();
        continue;
      }
      if (!step(name)) return std::nullopt;
      if (!S_ISLNK(steps_.back().permissions.mode) || open.empty()) continue;
      const auto target = target_of(steps_.back().fd.get());
      if (links == Links::refuse || !target || links_left-- == 0) return std::nullopt;
      steps_.pop_back();
      if (target->starts_with('/')) steps_.resize(1);
      push_components(open, *target);
    }
    return finish();
  }

 private:
  struct Step {
    std::string path;
    UniqueFd fd;
    Permissions permissions;
    std::optional<std::uint64_t> born;
  };

  bool start() {
    const Mount* mount = mounts_.at_point("/");
    if (mount == nullptr || !mount->local) return false;
    return add("/", UniqueFd(::openat(root_, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)));
  }

  bool step(const std::string& name) {
    const std::string& parent = steps_.back().path;
    std::string path = fmt::format("{}/{}", parent == "/" ? "" : parent, name);
    const Mount* mount = mounts_.at_point(path);
    if (mount != nullptr && !mount->local) return false;
    UniqueFd fd(::openat(steps_.back().fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    return add(std::move(path), std::move(fd));
  }

  bool add(std::string path, UniqueFd fd) {
    if (!fd) return false;
    Step made{std::move(path), std::move(fd), {}, {}};
    const auto permissions = permissions_of(made.fd.get(), &made.born);
    if (!permissions) return false;
    made.permissions = *permissions;
    steps_.push_back(std::move(made));
    return true;
  }

  std::optional<WalkedPlace> finish() {
    WalkedPlace place;
    place.facts.path = steps_.back().path;
    place.facts.file = steps_.back().permissions;
    place.facts.created_ns = steps_.back().born;
    place.last = std::move(steps_.back().fd);
    steps_.pop_back();
    for (Step& directory : steps_) {
      place.facts.directories.push_back({std::move(directory.path), directory.permissions});
    }
    return place;
  }

  int root_;
  const MountTable& mounts_;
  std::vector<Step> steps_;
};

}  // namespace

std::optional<Permissions> permissions_of(int fd, std::optional<std::uint64_t>* born) {
  const auto status = look_at(fd);
  if (!status) return std::nullopt;
  Permissions permissions;
  permissions.mode = status->stx_mode;
  permissions.uid = status->stx_uid;
  permissions.gid = status->stx_gid;
  permissions.acl = !S_ISLNK(status->stx_mode) && has_access_list(fd);
  if (born != nullptr && (status->stx_mask & STATX_BTIME) != 0 && status->stx_btime.tv_sec > 0) {
    *born = static_cast<std::uint64_t>(status->stx_btime.tv_sec) * 1'000'000'000 + status->stx_btime.tv_nsec;
  }
  return permissions;
}

std::optional<WalkedPlace> walk_place(int root, std::string_view path, const MountTable& mounts, Links links) {
  return Walk(root, mounts).run(path, links);
}

bool is_file(int fd, const FileId& id, const MountTable& mounts) {
  const auto status = look_at(fd);
  if (!status) return false;
  const std::uint64_t dev = std::uint64_t{status->stx_dev_major} << 20 | status->stx_dev_minor;
  if (dev == id.dev && status->stx_ino == id.ino) return true;
  // What the kernel itself calls the file behind a descriptor: its inode, and the device of its mount.
  const auto fdinfo = ProcDirectory("/proc/self/fdinfo").text(std::to_string(fd).c_str());
  if (!fdinfo || inode_of(*fdinfo) != id.ino) return false;
  const auto mount_id = mount_id_of(*fdinfo);
  const Mount* mount = mount_id ? mounts.with_id(*mount_id) : nullptr;
  return mount != nullptr && mount->dev == id.dev;
}

}  // namespace lockscope
