// SPDX-License-Identifier: Apache-2.0
// What /proc says of one process: its program, cgroup, unit, container and user namespace. For src/attribution.
// Cost: about 50 us a process.
#pragma once

#include <optional>
#include <string>

#include "attribution/proc_directory.h"
#include "lockscope/facts.h"
#include "lockscope/raw_sample.h"

namespace lockscope {

// The thread's folder in /proc, if it is still that thread's.
[[nodiscard]] std::optional<ProcDirectory> open_thread_folder(const std::string& proc, const Thread& thread);

// All but user and start, which the look tells. What may not be read is absent.
[[nodiscard]] ProcessFacts read_process_facts(const ProcDirectory& thread);

// The inode of a namespace, "ns/user" and the like; 0: may not be read.
[[nodiscard]] std::uint64_t namespace_of(const ProcDirectory& thread, const char* name);

}  // namespace lockscope
