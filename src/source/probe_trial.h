// SPDX-License-Identifier: Apache-2.0
// Whether a process under a system-call filter outlives a probed return on this kernel. From Linux 6.11 on, a return is
// reported by a system call of its own, uretprobe(2), in the name of the watched; until "seccomp: passthrough uretprobe
// systemcall without filtering" (6.14 and stable kernels) the filter of a container refuses it, and the process dies.
// No version tells who has the correction, so a child of lockscope's own tries it.
// For shared_lock_probes.cpp only. Cost: 50 to 100 ms, once.
#pragma once

#include <cstddef>

#include "source/probe_files.h"
#include "source/shared_lock_programs.h"

namespace lockscope {

// `number`: of a target that is not in use. False also where it could not be tried.
[[nodiscard]] bool filtered_process_survives(SharedLockPrograms& programs, ProbeFiles& files, std::size_t number);

}  // namespace lockscope
