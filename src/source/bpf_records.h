// SPDX-License-Identifier: Apache-2.0
// The bytes that the BPF iterators wrote (lockscope/wire.h), turned into a RawSample. Pure; called by bpf_source.cpp.
// The bytes come from our own programs, so a record that does not fit is our bug; it is still never read past its end.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lockscope/raw_sample.h"

namespace lockscope {

struct DecodedThreads {
  std::vector<Thread> threads;  // sorted by (pid, tid), without the reader's own process
  std::vector<RawWait> waits;   // in the order of threads
  Coverage coverage;
};
[[nodiscard]] DecodedThreads decode_threads(std::span<const std::uint8_t> bytes);

// `threads` and `waits` tell which references to an open file a system call of its own sharer accounts for.
[[nodiscard]] std::vector<FileLock> decode_file_locks(std::span<const std::uint8_t> bytes,
                                                      const std::vector<Thread>& threads,
                                                      const std::vector<RawWait>& waits);

}  // namespace lockscope
