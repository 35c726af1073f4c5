// SPDX-License-Identifier: Apache-2.0
// Who a thread is and what its locks are called: name and user, executable, cgroup, systemd unit, container, paths.
//
// Made once a look by the pipeline, which asks it for the threads and locks that appear in the report; one thread only.
// A process that has ended, may not be read, or is another one under the same number (its start differs from the
// thread's) gives absent values, never an error and never the facts of a stranger.
// Cost: the first thread of a process and each new descriptor about 0.1 ms, the others well under 1 us; the first
// thread of a user asks the name service, which may be slow where that is a network; a map of memory is read once for
// consecutive locks of a process, up to 16 MiB of it, and waits for the process' mmap lock.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "attribution/accounts.h"
#include "lockscope/facts.h"
#include "lockscope/ids.h"
#include "lockscope/raw_sample.h"
#include "lockscope/report.h"

namespace lockscope {

class Attribution {
 public:
  explicit Attribution(std::string proc = "/proc");

  [[nodiscard]] ThreadDescription describe(const Thread& thread);

  // For who asks the same of this host.
  [[nodiscard]] const std::string& proc() const { return proc_; }
  [[nodiscard]] Accounts& accounts() { return accounts_; }

  // What descriptor `fd` of this thread's process is called there. Absent also where it is not `expected` any more.
  [[nodiscard]] std::optional<std::string> path_of_lock(const Thread& thread, int fd,
                                                        const std::optional<FileId>& expected = std::nullopt);

  // The file behind shared memory: by an address of this thread's process, or by the file where none is known.
  [[nodiscard]] std::optional<std::string> path_of_mapping(const Thread& thread, std::uint64_t address);
  [[nodiscard]] std::optional<std::string> path_of_mapping(const Thread& thread, const FileId& file);

 private:
  struct Process {
    bool known = false;
    int tries = 0;       // threads that were asked and had gone
    ProcessFacts facts;  // user and start left out
  };
  struct Region {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    FileId file;
    std::string path;
  };

  const ProcessFacts& process_of(const Thread& thread);
  const std::vector<Region>& regions_of(const Thread& thread);

  std::string proc_;
  std::map<pid_t, Process> processes_;  // at most one a process in sight
  Accounts accounts_;
  std::map<std::tuple<pid_t, int, std::uint64_t>, std::optional<std::string>> lock_paths_;  // by pid, fd, inode
  pid_t regions_pid_ = 0;        // the process that regions_ describes
  std::vector<Region> regions_;  // shared file mappings, ascending
};

// Name, kernel release and boot id of this host; what cannot be read is empty.
[[nodiscard]] HostDescription host_description(const std::string& proc = "/proc");

}  // namespace lockscope
