// SPDX-License-Identifier: Apache-2.0
// Which processes share writable memory of a file with a process of another domain of trust: another effective user,
// another cgroup or another user namespace. Locks in such memory are the ones that an outsider can hold.
//
// Reads /proc/PID/maps of a process when it is new or has called exec, and again in turn: soon where it shares memory,
// else when its size has changed or after a minute. A mapping that comes and goes between two readings is not seen. Not
// looked at: System V shared memory, devices, mappings that may not be written. Names in maps are hostile: what is left
// out is told by the device, or by names that only the kernel can give.
// For shared_lock_probes only, from one thread. Cost: 0.1 us a process; 20 to 60 us for each map that is read, at most
// kNewReads + kOldReads of them, 5 us for each size, at most kSizeReads. Needs CAP_SYS_PTRACE for other users'.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lockscope/raw_sample.h"
#include "source/proc_files.h"
#include "source/proc_maps.h"

namespace lockscope {

// A process that may have called exec since is another one: its memory is new.
struct ProcessImage {
  pid_t pid = 0;
  std::uint64_t start_ns = 0;
  std::uint64_t address_space = 0;
  friend auto operator<=>(const ProcessImage&, const ProcessImage&) = default;
};

struct SharedRange {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  SharedPlace place;  // of its first byte
  friend bool operator==(const SharedRange&, const SharedRange&) = default;
};

struct TrustDomain {
  std::uint32_t uid = 0;
  std::uint64_t user_namespace = 0;  // 0: not known
  std::uint64_t cgroup = 0;          // hash of /proc/PID/cgroup; 0: not known
  friend auto operator<=>(const TrustDomain&, const TrustDomain&) = default;
};

struct Sharer {
  ProcessImage process;
  std::string comm;
  bool other_user = false;  // of the domains, at least two differ in the user
  std::vector<SharedRange> ranges;
};

// Devices that are told apart in maps.
struct MappedDevices {
  std::uint64_t devices = 0;        // of /dev, where that is a file system of its own; 0: it is not
  std::uint64_t kernel_shared = 0;  // of System V and anonymous shared memory and memfds
};

// The writable shared mappings of files in a text of /proc/PID/maps, at most kMaxRanges; neighbours are put together.
inline constexpr std::size_t kMaxRanges = 256;
[[nodiscard]] std::vector<SharedRange> shared_ranges(std::string_view maps, const MappedDevices& devices);

class SharedMemoryScan {
 public:
  // `proc` is a descriptor of /proc that outlives this.
  explicit SharedMemoryScan(int proc);

  // Once a tick, after the look.
  void update(const RawSample& look);
  // In the order of processes. Of each, only the ranges of files that are shared across domains.
  [[nodiscard]] const std::vector<Sharer>& sharers() const { return sharers_; }
  // The writable shared mappings of a process as of now. Nothing: it is gone, or may not be read.
  [[nodiscard]] std::optional<std::vector<SharedRange>> read_now(pid_t pid);
  // Since the last call.
  [[nodiscard]] std::map<std::string, std::uint64_t> take_lost() { return std::exchange(lost_, {}); }

  static constexpr std::size_t kMaxProcesses = 32768;
  static constexpr int kNewReads = 64;
  static constexpr int kOldReads = 20;
  static constexpr int kSizeReads = 128;

 private:
  struct Process {
    ProcessImage image;
    std::string comm;
    std::uint32_t uid = 0;
    std::uint64_t user_namespace = 0;
    std::uint64_t cgroup = 0;
    std::uint64_t read_ns = 0;  // when its maps were; 0: not yet
    std::uint64_t size = 0;     // of its memory, in pages, then
    std::vector<SharedRange> ranges;
  };

  void take_over(const RawSample& look);
  void read(Process& process, std::uint64_t now_ns);
  [[nodiscard]] std::uint64_t size_of(pid_t pid);
  void read_in_turn(std::uint64_t now_ns);
  void find_sharers();

  int proc_;
  MappedDevices devices_;
  FileReader reader_;
  std::vector<Process> processes_;  // by pid
  pid_t turn_ = 0;                  // the next to be read again
  std::vector<Sharer> sharers_;
  std::map<std::string, std::uint64_t> lost_;
};

}  // namespace lockscope
