// SPDX-License-Identifier: Apache-2.0
// Format: fs/proc_namespace.c show_mountinfo; escapes: blank, tab, newline and backslash as three octal digits.
#include "attribution/mounts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace lockscope {
namespace {

constexpr std::size_t kMounts = 65536;

// File systems whose answers come from this kernel and its disks. A name that is not here may be a server's: nfs, cifs,
// ceph, 9p, every fuse.
bool is_local(std::string_view type) {
  constexpr std::array<std::string_view, 27> kLocal{
      "bcachefs", "btrfs", "cgroup",   "cgroup2", "devpts",    "devtmpfs", "efivarfs", "erofs",  "exfat",
      "ext2",     "ext3",  "ext4",     "f2fs",    "hugetlbfs", "iso9660",  "jfs",      "mqueue", "ntfs3",
      "proc",     "ramfs", "squashfs", "sysfs",   "tmpfs",     "vfat",     "xfs",      "zfs",    "nilfs2"};
  return std::ranges::find(kLocal, type) != kLocal.end();
}

std::string_view take_word(std::string_view& rest) {
  const std::size_t end = rest.find(' ');
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return word;
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const char* const digits = text.data() + i + 1;
    if (text[i] == '\\' && i + 3 < text.size() && std::from_chars(digits, digits + 3, value, 8).ptr == digits + 3 &&
        value <= 0xff) {
      out += static_cast<char>(value);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::optional<Mount> parse_mount(std::string_view line) {
  Mount mount;
  const auto id = number<int>(take_word(line));
  take_word(line);  // the mount above
  const std::string_view device = take_word(line);
  const std::size_t colon = device.find(':');
  if (!id || colon == std::string_view::npos) return std::nullopt;
  const auto major = number<std::uint32_t>(device.substr(0, colon));
  const auto minor = number<std::uint32_t>(device.substr(colon + 1));
  if (!major || !minor) return std::nullopt;
  mount.id = *id;
  mount.dev = std::uint64_t{*major} << 20 | *minor;
  mount.root = unescaped(take_word(line));
  mount.point = unescaped(take_word(line));
  const std::size_t separator = line.find(" - ");
  if (separator == std::string_view::npos || !mount.point.starts_with('/')) return std::nullopt;
  line.remove_prefix(separator + 3);
  const std::string_view type = take_word(line);
  // An overlay is as local as what it lies over, which cannot be told here for layers on a server; these are as rare
  // as overlays are common.
  mount.local = is_local(type) || type == "overlay";
  return mount;
}

}  // namespace

const char* below(const std::string& path, std::string_view folder) {
  if (folder == "/") return path.starts_with('/') ? path.c_str() : nullptr;
  if (!path.starts_with(folder)) return nullptr;
  if (path.size() > folder.size() && path[folder.size()] != '/') return nullptr;
  return path.c_str() + folder.size();
}

MountTable MountTable::parse(std::string_view mountinfo) {
  MountTable table;
  while (!mountinfo.empty() && table.mounts_.size() < kMounts) {
    const std::size_t end = mountinfo.find('\n');
    if (auto mount = parse_mount(mountinfo.substr(0, end))) {
      table.by_point_[mount->point] = table.mounts_.size();
      table.mounts_.push_back(std::move(*mount));
    }
    mountinfo.remove_prefix(end == std::string_view::npos ? mountinfo.size() : end + 1);
  }
  return table;
}

const Mount* MountTable::with_id(int id) const {
  const auto found = std::ranges::find(mounts_, id, &Mount::id);
  return found == mounts_.end() ? nullptr : &*found;
}

const Mount* MountTable::at_point(std::string_view path) const {
  const auto found = by_point_.find(path);
  return found == by_point_.end() ? nullptr : &mounts_[found->second];
}

const Mount* MountTable::holding(std::string_view path, std::uint64_t dev) const {
  const std::string name(path);
  const Mount* best = nullptr;
  for (const Mount& mount : mounts_) {
    if (mount.dev != dev || below(name, mount.point) == nullptr) continue;
    if (best == nullptr || mount.point.size() >= best->point.size()) best = &mount;
  }
  return best;
}

}  // namespace lockscope
