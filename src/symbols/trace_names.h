// SPDX-License-Identifier: Apache-2.0
// Names what a LockTrace holds as numbers, by the ELF files that the traced had mapped: a place in code by its
// function, a lock by its static symbol, else by where it was initialised, else by where it was taken most.
//
// The files are the traced processes' own: hostile (function_table.h); they are read through the descriptors of the
// trace. Names are raw. The trace outlives this and does not change meanwhile. For src/app and its tests, from one
// thread. Cost: each file once, 0.3 us a symbol; a name 1 us and then a look-up.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lockscope/lock_trace.h"
#include "symbols/function_table.h"

namespace lockscope {

class ElfTraceNames final : public TraceNames {
 public:
  explicit ElfTraceNames(const LockTrace& trace);

  [[nodiscard]] const CodePoint& code(ImageId image, std::uint64_t site) override;
  [[nodiscard]] const LockClass& lock_class(const TracedLock& lock) override;

  // Files read so far; more than there are files only where they had to be forgotten to keep within the limit.
  [[nodiscard]] std::size_t files_read() const { return files_read_; }

  // What the tables of all files may take; beyond it the one that was needed longest ago goes.
  static constexpr std::size_t kMaxMemory = std::size_t{512} << 20;
  static constexpr std::size_t kMaxFiles = 4096;

 private:
  // A file that is open, and the version of its content.
  struct Content {
    std::uint64_t dev, ino, size;
    std::int64_t modified_s, modified_ns;
    friend auto operator<=>(const Content&, const Content&) = default;
  };
  struct KnownFile {
    std::shared_ptr<const FunctionTable> table;  // null: no ELF file
    std::uint64_t last_use = 0;
  };
  struct Init {
    ImageId image = 0;  // in which it was seen: the lock's, or one that this was forked from
    std::uint64_t site = 0;
  };
  struct MainSite {
    std::uint64_t site = 0;
    std::uint64_t acquired = 0;
    std::uint64_t since_ns = 0;  // known only of chains
  };

  [[nodiscard]] CodePoint name_code(ImageId image, std::uint64_t site);
  [[nodiscard]] LockClass name_lock(const TracedLock& lock);
  // As in "libfoo.so:cache_create+0x1c". Nothing: not in a file.
  [[nodiscard]] std::optional<std::string> place_name(ImageId image, std::uint64_t site);
  [[nodiscard]] std::optional<std::string> static_name(const TracedLock& lock);
  [[nodiscard]] std::optional<Init> init_of(const TracedLock& lock) const;

  // The mapping that an address lies in, or behind.
  [[nodiscard]] const TracedModule* module_before(ImageId image, std::uint64_t address) const;
  [[nodiscard]] std::shared_ptr<const FunctionTable> table_of(const TracedModule& module);
  void forget_files();

  void note_site(const Acquisition& acquisition);

  const LockTrace& trace_;
  std::map<TracedLock, MainSite> main_sites_;
  std::map<TracedLock, std::vector<const LockLife*>> inits_;  // by time
  std::map<ImageId, const TracedImage*> images_;
  std::map<Content, KnownFile> files_;
  std::size_t memory_ = 0;
  std::size_t files_read_ = 0;
  std::uint64_t uses_ = 0;
  std::map<std::pair<ImageId, std::uint64_t>, CodePoint> codes_;
  std::map<TracedLock, LockClass> classes_;
};

// How a module is called for short: the last part of its path, without what the kernel adds to a path that is gone.
[[nodiscard]] std::string_view short_name(std::string_view path);

}  // namespace lockscope
