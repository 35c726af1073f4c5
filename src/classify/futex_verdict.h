// SPDX-License-Identifier: Apache-2.0
// What one futex wait is, by its system call and by the memory around the word. Numbers are as the memory holds them:
// who they mean is decided by owner_resolver.h. Plain value.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "lockscope/sample.h"

namespace lockscope {

struct FutexVerdict {
  LockKind kind = LockKind::futex;
  Mode mode = Mode::exclusive;
  std::uint64_t base = 0;       // address of the primitive that the word belongs to
  bool process_shared = false;  // the word is one of shared memory: the same lock in every process that maps it

  std::optional<pid_t> owner_number;  // in the PID namespace of the thread that wrote it; join: the thread waited for
  bool owner_transient = false;       // between two owners, or the new one has not signed yet
  bool owner_died = false;            // the kernel marked it: its owner ended, the next one is to repair it
  bool not_recoverable = false;       // robust: given up for good; its waiters are being woken
  bool owner_enforced = false;        // nobody but the owner can unlock it
  bool held_by_readers = false;
  std::optional<std::uint32_t> reader_count;
  std::optional<std::uint64_t> needs_mutex;  // condition wait: address of the mutex that it takes again

  bool ending = false;  // the word is no longer what the thread waits on: on its way out
  bool weak = false;    // the memory fits, but other things would look the same: no owner is believed
  // The waiting code or the kernel vouches for the kind. An owner who is not there is then a fact; without it, it is
  // more likely that the memory was misread.
  bool proven = false;

  const char* detail = "";  // for people: which primitive of which library

  // Whether owner_number may be followed.
  [[nodiscard]] bool believes_owner() const {
    return owner_number && !ending && !weak && !owner_transient && !not_recoverable;
  }
};

}  // namespace lockscope
