// SPDX-License-Identifier: Apache-2.0
// Who writes a file against the lock of somebody else, and whether he may: shared by ignored_lock_failure and
// unlocked_write. Pure; a pass over the file locks of the look and the parents of the writer for each writer.
#pragma once

#include <optional>
#include <vector>

#include "lockscope/detector.h"
#include "lockscope/lock_table.h"

namespace lockscope {

// A writer of the last window, and the locks of one family that stood against it.
struct WriterAgainst {
  const FileWrites* writes = nullptr;
  LockOfFile lock;
  std::uint64_t against = 0;
  // Exclusive locks of others on the whole file, of this family, that the look still shows.
  std::vector<const FileLock*> held;
  const LockTable::Use* use = nullptr;  // what it did with this family of locks itself
};

// In the order of the window. Left out: who shares in any lock on the file now, by whatever descriptor; who is of one
// family of processes with somebody who does; and who was granted a lock on it before and may be writing what is left.
[[nodiscard]] std::vector<WriterAgainst> writers_against_locks(const SampleView& view);

// "sleep (4242)": who holds it now, or else who took it.
[[nodiscard]] std::string name_lockers(const SampleView& view, const WriterAgainst& writer);
[[nodiscard]] std::vector<pid_t> lockers(const WriterAgainst& writer);

}  // namespace lockscope
