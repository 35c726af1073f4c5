// SPDX-License-Identifier: Apache-2.0
// What an ELF file says of itself, as far as it takes to tell a C library: type, interpreter, SONAME, segments, a few
// symbols. 64-bit little-endian x86-64 only. The file is hostile: every size, count and offset is checked against the
// file, reads are bounded, nothing is mapped. Formats: System V gABI chapters 4 and 5; versions: LSB core 10.7.
// Called by code_modules and probe_sites only. Cost: 20 us for a file without wanted symbols, 1 ms for a libc.
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
  bool dynamic = false;                          // asks a loader to link it
  bool position_independent_executable = false;  // DF_1_PIE
  std::string soname;
  std::vector<ElfSegment> loaded;

  // Where a byte of the file lies in the object's own address space, and the other way round.
  [[nodiscard]] std::optional<std::uint64_t> address_of(std::uint64_t file_offset) const;
  [[nodiscard]] std::optional<std::uint64_t> file_offset_of(std::uint64_t address) const;
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

// Every defined function that bears one of the names, in whatever version, in the order of the table: several names
// and versions may mean one address. `full`: the table that a linker leaves in a program that was not stripped.
enum class SymbolTable { dynamic, full };
struct NamedFunction {
  std::size_t name = 0;  // index into the names
  ElfSymbol symbol;
};
inline constexpr std::size_t kMaxNamedFunctions = 256;  // beyond these a file is not believed
[[nodiscard]] std::vector<NamedFunction> read_functions(int fd, SymbolTable table,
                                                        const std::vector<std::string_view>& names);

// Whether the file asks others for this dynamic symbol. A file that cannot be understood is said to; one that is no ELF
// file at all is not.
[[nodiscard]] bool imports_symbol(int fd, std::string_view name);

}  // namespace lockscope
