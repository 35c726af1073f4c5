// SPDX-License-Identifier: Apache-2.0
// Threads, processes, locks and times as the sentences of findings name them. Names are as the process set them: raw,
// escaped by the exporters. Used by the detectors only. Pure.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>

#include "lockscope/sample.h"

namespace lockscope {

[[nodiscard]] std::string name_thread(const Thread& thread);                  // "worker (1234/1236)", "app (1234)"
[[nodiscard]] std::string name_process(const Sample& sample, pid_t pid);      // "app (1234)"
[[nodiscard]] const char* words_for(LockKind kind);                           // "recursive mutex", "flock"
[[nodiscard]] std::string name_lock(const Sample& sample, const Wait& wait);  // "mutex 0x55d0c0", "flock on inode 7"
[[nodiscard]] std::string name_releaser(const Sample& sample, const Releaser& releaser);
[[nodiscard]] std::string name_threads(std::uint64_t count);  // "1 thread", "3 threads"
[[nodiscard]] std::string name_duration(std::uint64_t ns);    // "350 ms", "12 s", "3 min", "5 h"
[[nodiscard]] std::string name_call(std::int64_t number);     // "nanosleep", "system call 999"
// What a process does meanwhile: "running", "stopped", "exiting", "sleeping in nanosleep", "waiting for mutex 0x10".
// Of several threads any that runs speaks for it, else its leader.
[[nodiscard]] std::string name_state(const Sample& sample, pid_t pid);
// "a", "a and b", "a, b and c"; beyond `limit`, "a, b and 7 more".
[[nodiscard]] std::string name_list(std::span<const std::string> names, std::size_t limit = 3);

[[nodiscard]] std::set<pid_t> processes_of(const Sample& sample, std::span<const std::size_t> waits);
[[nodiscard]] bool is_file_lock(LockKind kind);

}  // namespace lockscope
