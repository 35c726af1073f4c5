// SPDX-License-Identifier: Apache-2.0
#include "source/proc_maps.h"

#include <algorithm>

#include "source/text_scan.h"

namespace lockscope {

std::optional<MappedRange> parse_maps_line(std::string_view line) {
  // 7f2c5a000000-7f2c5a021000 rw-s 00001000 fe:00 1234     /path, to the end of the line
  TextScan scan(line);
  MappedRange mapping;
  const auto start = scan.take_number<std::uint64_t>(16);
  if (!start || !scan.take("-")) return std::nullopt;
  const auto end = scan.take_number<std::uint64_t>(16);
  if (!end || *end <= *start) return std::nullopt;
  const std::string_view permissions = scan.take_word();
  if (permissions.size() != 4) return std::nullopt;
  scan.skip_blanks();
  const auto offset = scan.take_number<std::uint64_t>(16);
  if (!offset) return std::nullopt;
  scan.skip_blanks();
  const auto major = scan.take_number<std::uint32_t>(16);
  if (!major || !scan.take(":")) return std::nullopt;
  const auto minor = scan.take_number<std::uint32_t>(16);
  if (!minor || *minor >= 1u << 20) return std::nullopt;
  scan.skip_blanks();
  const auto ino = scan.take_number<std::uint64_t>();
  if (!ino) return std::nullopt;
  scan.skip(' ');
  mapping.start = *start;
  mapping.end = *end;
  mapping.offset = *offset;
  mapping.file = {(std::uint64_t{*major} << 20) | *minor, *ino};
  mapping.executable = permissions[2] == 'x';
  mapping.shared = permissions[3] == 's';
  mapping.path_at = static_cast<std::uint32_t>(line.size() - scan.rest().size());
  mapping.path_size = static_cast<std::uint32_t>(scan.rest().size());
  return mapping;
}

std::optional<ProcessMaps> ProcessMaps::read(FileReader& reader, int directory, const char* path) {
  const auto text = reader.read(directory, path, FileReader::Answers::many, kLimit);
  if (!text || reader.truncated()) return std::nullopt;
  return parse(*text);
}

std::optional<ProcessMaps> ProcessMaps::parse(std::string_view text) {
  ProcessMaps maps;
  TextScan scan(text);
  while (!scan.at_end()) {
    const std::string_view line = scan.take_line();
    auto mapping = parse_maps_line(line);
    if (!mapping) return std::nullopt;
    const std::string_view name = line.substr(mapping->path_at);
    mapping->path_at = static_cast<std::uint32_t>(maps.paths_.size());
    if (mapping->executable || mapping->file.ino != 0) {
      maps.paths_.append(name);
    } else {
      mapping->path_size = 0;
    }
    // The kernel walks upwards; a line that does not follow is a map that changed between two pages of text.
    if (!maps.mappings_.empty() && mapping->start < maps.mappings_.back().end) continue;
    maps.mappings_.push_back(*mapping);
  }
  return maps;
}

const MappedRange* ProcessMaps::at(std::uint64_t address) const {
  const auto after = std::ranges::upper_bound(mappings_, address, {}, &MappedRange::start);
  if (after == mappings_.begin()) return nullptr;
  const MappedRange& candidate = *std::prev(after);
  return address < candidate.end ? &candidate : nullptr;
}

std::optional<SharedPlace> ProcessMaps::shared_place(std::uint64_t address) const {
  const MappedRange* mapping = at(address);
  if (mapping == nullptr || !mapping->shared || mapping->file.ino == 0) return std::nullopt;
  return SharedPlace{mapping->file, mapping->offset + (address - mapping->start)};
}

}  // namespace lockscope
