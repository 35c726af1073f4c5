// SPDX-License-Identifier: Apache-2.0
// Identities that survive the reuse of numbers. Plain values; comparison is the only operation.
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>

namespace lockscope {

// A thread of this boot: its number in the reader's PID namespace and when it started (boot time). tid 0: none.
struct ThreadId {
  pid_t tid = 0;
  std::uint64_t start_ns = 0;
  friend auto operator<=>(const ThreadId&, const ThreadId&) = default;
};

// A file: device number as the kernel keeps it (major << 20 | minor) and inode.
struct FileId {
  std::uint64_t dev = 0;
  std::uint64_t ino = 0;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};

}  // namespace lockscope
