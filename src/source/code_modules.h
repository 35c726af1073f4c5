// SPDX-License-Identifier: Apache-2.0
// Which code made a system call: is the instruction the C library's, and in which of its functions does it lie?
//
// The file behind an instruction is opened through the process that maps it (/proc/PID/map_files where that is allowed,
// else its path below /proc/PID/root, checked against the inode in its maps), so containers and deleted files are
// right. What was learnt of a file is kept under the identity of the file that was really opened; which file a process
// meant by (device, inode) is asked again at each look, because inode numbers are used again.
//
// Files are hostile (elf_symbols.h). A file on a file system that does not answer (FUSE, a dead NFS server) stops the
// reader: not defended against. For the sources only, from one thread. Cost: a look-up 0.1 us; each file once a look
// about 100 us; each new file 1 ms.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "lockscope/raw_sample.h"
#include "source/elf_symbols.h"
#include "source/proc_maps.h"

namespace lockscope {

// One ELF file as far as it matters: whose code it is, and the ranges of a few functions in its own addresses.
class CodeModule {
 public:
  // A file that is no ELF object of this machine is `other`.
  [[nodiscard]] static CodeModule describe(int fd, bool is_executable_of_process);

  [[nodiscard]] CodePlace place(std::uint64_t file_offset) const;
  [[nodiscard]] LibcKind libc() const { return libc_; }
  [[nodiscard]] bool is_loader() const { return loader_; }

 private:
  struct Range {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    [[nodiscard]] bool holds(std::uint64_t address) const { return address >= low && address < high; }
  };
  void find_functions(int fd, bool glibc_by_name);

  CodePlace code_ = CodePlace::other;
  LibcKind libc_ = LibcKind::unknown;
  bool loader_ = false;
  ElfFile elf_;
  Range syscall_;
  Range private_lock_;
  Range lock_;
};

class CodeModules {
 public:
  // `proc` is a descriptor of /proc that outlives this.
  explicit CodeModules(int proc) : proc_(proc) {}

  // Once before each look.
  void begin_look();

  // `maps`: of this process, as of this look.
  [[nodiscard]] CodePlace place(pid_t pid, const ProcessMaps& maps, std::uint64_t ip);
  [[nodiscard]] bool is_loader(pid_t pid, const ProcessMaps& maps, std::uint64_t address);
  // By the libraries that are mapped; unknown where none is, or both are.
  [[nodiscard]] LibcKind libc_kind(pid_t pid, const ProcessMaps& maps);

  // Files forgotten because the table was full.
  [[nodiscard]] std::uint64_t evictions() const { return evictions_; }

  static constexpr std::size_t kMaxFiles = 4096;

 private:
  // A file that was opened, and the version of its content.
  struct Content {
    std::uint64_t dev, ino, size;
    std::int64_t modified_s, modified_ns, changed_s, changed_ns;
    bool as_executable;
    friend auto operator<=>(const Content&, const Content&) = default;
  };
  using Module = std::shared_ptr<const CodeModule>;  // null: could not be read

  [[nodiscard]] Module module_at(pid_t pid, const ProcessMaps& maps, const MappedRange& mapping);
  [[nodiscard]] std::pair<Module, bool> open_module(pid_t pid, const ProcessMaps& maps, const MappedRange& mapping);

  int proc_;
  std::map<std::pair<FileId, pid_t>, Module> files_;  // of this look; pid 0: for all processes
  std::map<Content, Module> contents_;
  std::uint64_t evictions_ = 0;
};

}  // namespace lockscope
