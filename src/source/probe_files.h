// SPDX-License-Identifier: Apache-2.0
// The files of one process in which its lock functions lie: its C library (glibc's libc or libpthread, musl), or the
// program itself where it is linked statically and has kept its symbols. Opened inside the process' own root.
// For shared_lock_probes only. Cost: that of reading the maps; 1 ms for each file that was not seen before.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "source/mapped_file.h"
#include "source/probe_sites.h"
#include "source/proc_maps.h"

namespace lockscope {

// What shared_lock_probes looks for; their calls are those of enum ls_shared_call.
[[nodiscard]] std::span<const ProbedFunction> shared_lock_functions();

struct ProbeFile {
  UniqueFd fd;
  std::vector<ProbeSite> sites;
  std::vector<FileSpan> bodies;  // where they are mapped: addresses of the process
};

class ProbeFiles {
 public:
  // `proc` is a descriptor of /proc that outlives this.
  explicit ProbeFiles(int proc) : proc_(proc) {}

  // Empty: none was found, or it could not be read.
  [[nodiscard]] std::vector<ProbeFile> of(pid_t pid);
  // Whether any of the program and its libraries calls pthread_cancel, or it cannot be told. A thread that is cancelled
  // in a call whose return is probed is not unwound any further: destructors of its callers would not run.
  // Cost: 10 us for each library; 1 ms for each that was not seen before.
  [[nodiscard]] bool may_cancel_threads(pid_t pid);

  static constexpr std::size_t kMaxFiles = 2048;

 private:
  // A file, and the version of its content.
  struct Content {
    std::uint64_t dev, ino, size;
    std::int64_t changed_s, changed_ns;
    friend auto operator<=>(const Content&, const Content&) = default;
  };
  [[nodiscard]] static Content content_of(const MappedFile& file);
  [[nodiscard]] const std::optional<ProbeSites>& sites_in(const MappedFile& file, SymbolTable table);
  [[nodiscard]] bool static_program_may_cancel(pid_t pid);
  void add(std::vector<ProbeFile>& files, MappedFile file, const MappedRange& code, SymbolTable table);

  int proc_;
  FileReader reader_;
  std::map<std::pair<Content, SymbolTable>, std::optional<ProbeSites>> sites_;
  std::map<Content, bool> cancels_;
};

}  // namespace lockscope
