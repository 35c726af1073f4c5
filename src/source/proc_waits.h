// SPDX-License-Identifier: Apache-2.0
// From the system call that a thread sleeps in to a RawWait: arguments, the memory behind them, whose code it is.
// Everything is read from a live process that may change or end meanwhile: the caller reads the system call again
// afterwards and drops the wait if it is another. For proc_source only. Cost: 5 us; the maps once a process.
#pragma once

#include <optional>
#include <span>

#include "lockscope/raw_sample.h"
#include "source/code_modules.h"
#include "source/proc_files.h"
#include "source/proc_maps.h"

namespace lockscope {

// x86-64 numbers of the calls that can be a wait for a lock.
namespace wait_call {
inline constexpr std::int64_t kWait4 = 61, kSemop = 65, kFcntl = 72, kFlock = 73, kFutex = 202, kRestart = 219,
                              kSemtimedop = 220, kWaitid = 247, kFutexWaitv = 449, kFutexWait = 455;
}

// Whether the call, as its number and arguments say, is one that can be a wait for a lock.
[[nodiscard]] bool can_wait_for_lock(const SyscallFields& call);

class WaitReader {
 public:
  // `proc` is a descriptor of /proc.
  WaitReader(int proc, CodeModules& modules, FileReader& reader) : proc_(proc), modules_(modules), reader_(reader) {}

  // Before the first wait of a process.
  void begin_process(pid_t pid);
  // Nothing: the memory that says what it waits for could not be read. `thread` and `file` are left to the caller.
  [[nodiscard]] std::optional<RawWait> read(const SyscallFields& call, bool restarted);

 private:
  [[nodiscard]] bool read_memory(std::uint64_t address, std::span<std::uint8_t> out) const;
  [[nodiscard]] std::vector<std::uint8_t> read_upwards(std::uint64_t address, std::size_t length) const;
  [[nodiscard]] MemoryWindow read_window(std::uint64_t word) const;
  [[nodiscard]] std::optional<std::uint64_t> read_timeout(std::uint64_t address) const;
  void fill_from_maps(RawWait& wait);
  bool read_futex(RawWait& wait);

  int proc_;
  CodeModules& modules_;
  FileReader& reader_;
  pid_t pid_ = 0;
  bool maps_read_ = false;
  std::optional<ProcessMaps> maps_;
  std::optional<LibcKind> mapped_libc_;
};

}  // namespace lockscope
