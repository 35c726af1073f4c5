// SPDX-License-Identifier: Apache-2.0
// Walks a path directory by directory and notes what guards each: owner, mode, access list. Opens nothing but O_PATH
// descriptors, so that no file is touched, no device woken and no lock taken, and goes into no file system that may
// leave a call hanging. For src/attribution. Cost: four system calls a directory.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "attribution/mounts.h"
#include "lockscope/facts.h"
#include "source/unique_fd.h"

namespace lockscope {

struct WalkedPlace {
  PlaceFacts facts;  // path: the one that was walked
  UniqueFd last;     // O_PATH
};

enum class Links {
  refuse,  // a path of the kernel has none: one that does was changed meanwhile
  follow,  // in directories; the last component is taken as it is
};

// `root`: an O_PATH descriptor of the directory that "/" means. Nothing: it is not there, may not be seen, is too deep,
// or lies where a look could hang.
[[nodiscard]] std::optional<WalkedPlace> walk_place(int root, std::string_view path, const MountTable& mounts,
                                                    Links links);

// Whether this is the file that the kernel calls `id`. Overlay and btrfs show stat(2) other numbers than locks have.
[[nodiscard]] bool is_file(int fd, const FileId& id, const MountTable& mounts);

// Owner, mode and access list of an O_PATH descriptor; also when it was born.
[[nodiscard]] std::optional<Permissions> permissions_of(int fd, std::optional<std::uint64_t>* born = nullptr);

}  // namespace lockscope
