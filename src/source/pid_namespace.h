// SPDX-License-Identifier: Apache-2.0
// Whether a /proc shows every process of the host. For the live sources and doctor. Cost: one system call.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

namespace lockscope {

// `proc` is a descriptor of /proc.
[[nodiscard]] inline bool in_initial_pid_namespace(int proc) {
  constexpr ino_t kInitial = 0xEFFFFFFC;  // PROC_PID_INIT_INO of include/linux/proc_ns.h
  struct stat ns {};
  return ::fstatat(proc, "self/ns/pid", &ns, 0) == 0 && ns.st_ino == kInitial;
}

}  // namespace lockscope
