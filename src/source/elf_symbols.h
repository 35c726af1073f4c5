// SPDX-License-Identifier: Apache-2.0
// What an ELF file says of itself, as far as it takes to tell a C library: type, interpreter, SONAME, segments, a few
// symbols. 64-bit little-endian x86-64 only. The file is hostile: every size, count and offset is checked against the
// file, reads are bounded, nothing is mapped. Formats: System V gABI chapters 4 and 5; versions: LSB core 10.7.
// Called by code_modules only. Cost: 20 us for a file without wanted symbols, 1 ms for a libc.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockscope {

struct ElfSegment {
  std::uint64_t offset = 0;
  std::uint64_t address = 0;
  std::uint64_t file_size = 0;
};

struct ElfFile {
  bool fixed_address = false;  // ET_EXEC
  bool has_interpreter = false;
  bool position_independent_executable = false;  // DF_1_PIE
  std::string soname;
  std::vector<ElfSegment> loaded;

  // Where a byte of the file lies in the object's own address space.
  [[nodiscard]] std::optional<std::uint64_t> address_of(std::uint64_t file_offset) const;
};

struct ElfSymbol {
  std::uint64_t address = 0;
  std::uint64_t size = 0;  // as the file says: may be 0 or wrong
};

// Nothing: no x86-64 ELF executable or shared object, or a damaged one. The descriptor's position is not used.
[[nodiscard]] std::optional<ElfFile> read_elf(int fd);

// Addresses of defined dynamic symbols, in the order of the names; the default version where there are several.
// Files that have no symbol table, or one beyond the limit, answer with nothing.
inline constexpr std::uint64_t kMaxSymbolTable = std::uint64_t{64} << 20;
[[nodiscard]] std::vector<std::optional<ElfSymbol>> read_dynamic_symbols(int fd,
                                                                         const std::vector<std::string_view>& names);

}  // namespace lockscope
