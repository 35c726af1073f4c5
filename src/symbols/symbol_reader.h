// SPDX-License-Identifier: Apache-2.0
// Fills a FunctionTable from a file: picks the symbol table, checks it, and keeps what can be a function or an object.
// The file is hostile. For function_table only. Cost: one pass over the table, in reads of 96 KiB.
#pragma once

#include <string>

#include "symbols/elf_reader.h"
#include "symbols/function_table.h"

namespace lockscope {

// The content of the GNU build-id note; empty: none.
[[nodiscard]] std::vector<std::uint8_t> read_build_id(const BoundedFile& file, const std::vector<Elf64_Shdr>& sections);

class SymbolReader {
 public:
  SymbolReader(FunctionTable& table, const std::string& debug_directory)
      : table_(table), debug_directory_(debug_directory) {}

  // False: no ELF file. Entries are left unsorted.
  [[nodiscard]] bool read(int fd);

 private:
  using Sections = std::vector<Elf64_Shdr>;
  [[nodiscard]] bool read_segments(const BoundedFile& file, const Elf64_Ehdr& header);
  [[nodiscard]] bool read_debug_file(const BoundedFile& file, const Sections& sections);
  // False: there is none that can be read, or nothing in it.
  [[nodiscard]] bool read_table(const BoundedFile& file, const Sections& sections, Elf64_Word type);
  void keep(const Elf64_Sym& symbol, const Sections& sections);

  FunctionTable& table_;
  const std::string& debug_directory_;
};

}  // namespace lockscope
