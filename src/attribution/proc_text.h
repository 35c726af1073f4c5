// SPDX-License-Identifier: Apache-2.0
// The lines of /proc that attribution reads, as pure parsers. Text of the kernel, but with names in it that a process
// chose. Answers nothing for what it does not understand. For src/attribution; a microsecond a line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lockscope/ids.h"

namespace lockscope {

// Field 22 of /proc/PID/stat: clock ticks since boot. The name in field 2 may hold blanks and brackets.
[[nodiscard]] std::optional<std::uint64_t> start_ticks_of(std::string_view stat);

// Whether ticks since boot and nanoseconds since boot can be the same start. The kernel rounds down; one tick is
// allowed for the source, which may have rounded too.
[[nodiscard]] bool same_start(std::uint64_t ticks, std::uint64_t start_ns, std::uint64_t ticks_per_second);

// The "ino:" line of /proc/PID/fdinfo/N (Linux 5.14 on).
[[nodiscard]] std::optional<std::uint64_t> inode_of(std::string_view fdinfo);

// The "mnt_id:" line of the same.
[[nodiscard]] std::optional<int> mount_id_of(std::string_view fdinfo);

// A line of /proc/PID/maps.
struct MapsLine {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  bool shared = false;
  FileId file;            // ino 0: anonymous
  std::string_view path;  // as the kernel writes it: newlines as \012, " (deleted)" behind
};
[[nodiscard]] std::optional<MapsLine> parse_mapping(std::string_view line);

// The path under which people can find the file again. Absent for shared anonymous memory, which the kernel shows as
// "/dev/zero (deleted)", and for what is no file.
[[nodiscard]] std::optional<std::string> path_to_show(const MapsLine& mapping);

}  // namespace lockscope
