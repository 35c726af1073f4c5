// SPDX-License-Identifier: Apache-2.0
#include "source/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <string>

namespace lockscope {
namespace {

// The kernel writes a newline in a path as \012 (fs/d_path.c, seq_path with "\n") and no other escape.
std::string unescape_path(std::string_view path) {
  std::string plain;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path.substr(i).starts_with("\\012")) {
      plain += '\n';
      i += 3;
    } else {
      plain += path[i];
    }
  }
  return plain;
}

UniqueFd open_below_root(int proc, pid_t pid, std::string_view path) {
  const UniqueFd root(::openat(proc, fmt::format("{}/root", pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return {};
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const std::string plain = unescape_path(path);
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root.get(), plain.c_str(), &how, sizeof how)));
}

}  // namespace

std::uint64_t kernel_device(dev_t device) { return (std::uint64_t{major(device)} << 20) | minor(device); }

std::optional<MappedFile> open_mapped_file(int proc, pid_t pid, const MappedRange& mapping, std::string_view path) {
  MappedFile file;
  const std::string link = fmt::format("{}/map_files/{:x}-{:x}", pid, mapping.start, mapping.end);
  UniqueFd place(::openat(proc, link.c_str(), O_PATH | O_CLOEXEC));
  file.exact = static_cast<bool>(place);
  if (!place && path.starts_with('/')) place = open_below_root(proc, pid, path);
  if (!place || ::fstat(place.get(), &file.status) != 0 || !S_ISREG(file.status.st_mode)) return std::nullopt;
  // A path may lead to another file by now. On file systems that show other devices than they use (btrfs, overlayfs)
  // only the inode can be compared.
  if (!file.exact && file.status.st_ino != mapping.file.ino) return std::nullopt;
  const std::string reopen = fmt::format("self/fd/{}", place.get());
  file.fd = UniqueFd(::openat(proc, reopen.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.fd) return std::nullopt;
  return file;
}

}  // namespace lockscope
