// SPDX-License-Identifier: Apache-2.0
// Opens the file that a process has mapped, inside that process' own root. For code_modules only. Regular files only:
// devices and pipes may act on being opened. Cost: 5 to 10 us.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string_view>

#include "source/proc_maps.h"
#include "source/unique_fd.h"

namespace lockscope {

struct MappedFile {
  UniqueFd fd;
  struct stat status {};
  bool exact = false;  // the kernel followed the mapping itself; else a path was followed and the inode compared
};

// `path` as in maps. Nothing: gone, not permitted, no regular file, or another file lies there now.
[[nodiscard]] std::optional<MappedFile> open_mapped_file(int proc, pid_t pid, const MappedRange& mapping,
                                                         std::string_view path);

// The device as the kernel keeps it, from stat(2)'s.
[[nodiscard]] std::uint64_t kernel_device(dev_t device);

}  // namespace lockscope
