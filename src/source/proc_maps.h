// SPDX-License-Identifier: Apache-2.0
// The memory map of one process as /proc/PID/maps gives it: which file lies at an address, and what is shared.
// A text of the kernel, but the paths in it are the process' own: hostile, never to be believed, only to be opened
// inside that process' root (code_modules.h). Cost: about 0.2 us a line; look-ups are binary searches.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lockscope/ids.h"
#include "lockscope/raw_sample.h"
#include "source/proc_files.h"

namespace lockscope {

struct MappedRange {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;  // in the file
  FileId file;               // ino 0: no file
  bool executable = false;
  bool shared = false;
  std::uint32_t path_at = 0;  // ProcessMaps::path
  std::uint32_t path_size = 0;
};

// A line without its newline; path_at counts from the start of the line. Nothing: not understood.
[[nodiscard]] std::optional<MappedRange> parse_maps_line(std::string_view line);

class ProcessMaps {
 public:
  // Nothing: gone, not permitted, or more than kLimit bytes of text.
  [[nodiscard]] static std::optional<ProcessMaps> read(FileReader& reader, int directory, const char* path);
  // Nothing: a line is not understood.
  [[nodiscard]] static std::optional<ProcessMaps> parse(std::string_view text);

  [[nodiscard]] const MappedRange* at(std::uint64_t address) const;
  // As the kernel wrote it: newlines as \012, perhaps " (deleted)" at the end. Empty where there is none.
  [[nodiscard]] std::string_view path(const MappedRange& mapping) const {
    return std::string_view(paths_).substr(mapping.path_at, mapping.path_size);
  }
  [[nodiscard]] const std::vector<MappedRange>& mappings() const { return mappings_; }
  [[nodiscard]] std::optional<SharedPlace> shared_place(std::uint64_t address) const;

  // Linux allows 65,530 mappings by default; a path has up to 4,096 bytes, most have 40.
  static constexpr std::size_t kLimit = std::size_t{64} << 20;

 private:
  std::vector<MappedRange> mappings_;  // ascending, disjoint
  std::string paths_;                  // of mappings of files
};

}  // namespace lockscope
