// SPDX-License-Identifier: Apache-2.0
#include "source/elf_symbols.h"

#include <algorithm>
#include <cstring>

#include "symbols/elf_reader.h"

namespace lockscope {
namespace {

constexpr std::size_t kMaxDynamicEntries = 1024;
constexpr std::size_t kMaxSoname = 256;
constexpr std::uint16_t kHiddenVersion = 0x8000;  // not the default version of its name

// A string of a table in the file: up to its NUL, the limit or the end of the file.
std::string read_string(const BoundedFile& file, std::uint64_t offset) {
  std::array<char, kMaxSoname> text{};
  std::size_t length = text.size();
  while (length > 0 && !file.holds(offset, length)) length /= 2;
  if (!file.read(offset, text.data(), length)) return {};
  return {text.data(), ::strnlen(text.data(), length)};
}

void read_dynamic(const BoundedFile& file, const Elf64_Phdr& dynamic, ElfFile& elf) {
  const auto entries = file.read_table<Elf64_Dyn>(
      dynamic.p_offset, std::min<std::uint64_t>(dynamic.p_filesz / sizeof(Elf64_Dyn), kMaxDynamicEntries),
      kMaxDynamicEntries);
  if (!entries) return;
  std::optional<std::uint64_t> name, strings;
  for (const Elf64_Dyn& entry : *entries) {
    if (entry.d_tag == DT_NULL) break;
    if (entry.d_tag == DT_SONAME) name = entry.d_un.d_val;
    if (entry.d_tag == DT_STRTAB) strings = entry.d_un.d_ptr;
    if (entry.d_tag == DT_FLAGS_1) elf.position_independent_executable = (entry.d_un.d_val & DF_1_PIE) != 0;
  }
  if (!name || !strings || *name > kMaxSymbolTable) return;
  if (const auto at = elf.file_offset_of(*strings)) elf.soname = read_string(file, *at + *name);
}

// Calls `use` with the place in `names`, the symbol, and whether it is the default version of its name. False: there is
// no table that could be read.
template <class Use>
bool for_each_named(int fd, Elf64_Word type, const std::vector<std::string_view>& names, Use use) {
  const BoundedFile file(fd);
  const auto header = read_elf_header(file);
  const auto sections = header ? read_elf_sections(file, *header) : std::nullopt;
  if (!sections) return false;

  const auto table = std::ranges::find(*sections, type, &Elf64_Shdr::sh_type);
  if (table == sections->end() || table->sh_link >= sections->size()) return false;
  if (table->sh_size > kMaxSymbolTable || (*sections)[table->sh_link].sh_size > kMaxSymbolTable) return false;
  const auto symbols =
      file.read_table<Elf64_Sym>(table->sh_offset, table->sh_size / sizeof(Elf64_Sym), kMaxSymbolTable);
  const Elf64_Shdr& string_section = (*sections)[table->sh_link];
  const auto strings = file.read_table<char>(string_section.sh_offset, string_section.sh_size, kMaxSymbolTable);
  if (!symbols || !strings) return false;
  std::vector<std::uint16_t> versions;
  const auto version_table = std::ranges::find(*sections, Elf64_Word{SHT_GNU_versym}, &Elf64_Shdr::sh_type);
  if (type == SHT_DYNSYM && version_table != sections->end() &&
      version_table->sh_size / sizeof(std::uint16_t) == symbols->size()) {
    versions = file.read_table<std::uint16_t>(version_table->sh_offset, symbols->size(), kMaxSymbolTable)
                   .value_or(std::vector<std::uint16_t>{});
  }

  for (std::size_t i = 0; i < symbols->size(); ++i) {
    const Elf64_Sym& symbol = (*symbols)[i];
    if (symbol.st_name >= strings->size()) continue;
    const char* text = strings->data() + symbol.st_name;
    const std::string_view name(text, ::strnlen(text, strings->size() - symbol.st_name));
    const auto wanted = std::ranges::find(names, name);
    if (wanted == names.end()) continue;
    const bool is_default = versions.empty() || (versions[i] & kHiddenVersion) == 0;
    use(static_cast<std::size_t>(wanted - names.begin()), symbol, is_default);
  }
  return true;
}

bool is_defined(const Elf64_Sym& symbol) { return symbol.st_shndx != SHN_UNDEF && symbol.st_value != 0; }

}  // namespace

std::optional<std::uint64_t> ElfFile::address_of(std::uint64_t file_offset) const {
  for (const ElfSegment& segment : loaded) {
    if (file_offset >= segment.offset && file_offset - segment.offset < segment.file_size) {
      return segment.address + (file_offset - segment.offset);
    }
  }
  return std::nullopt;
}

std::optional<std::uint64_t> ElfFile::file_offset_of(std::uint64_t address) const {
  for (const ElfSegment& segment : loaded) {
    if (address >= segment.address && address - segment.address < segment.file_size) {
      return segment.offset + (address - segment.address);
    }
  }
  return std::nullopt;
}

std::optional<ElfFile> read_elf(int fd) {
  const BoundedFile file(fd);
  const auto header = read_elf_header(file);
  const auto segments = header ? read_elf_segments(file, *header) : std::nullopt;
  if (!segments) return std::nullopt;
  ElfFile elf;
  elf.fixed_address = header->e_type == ET_EXEC;
  for (const Elf64_Phdr& segment : *segments) {
    if (segment.p_type == PT_INTERP) elf.has_interpreter = true;
    if (segment.p_type != PT_LOAD) continue;
    // Sums of hostile numbers: a segment that would wrap around is not believed.
    if (!file.holds(segment.p_offset, segment.p_filesz) || segment.p_vaddr > ~segment.p_filesz) return std::nullopt;
    elf.loaded.push_back({segment.p_offset, segment.p_vaddr, segment.p_filesz});
  }
  for (const Elf64_Phdr& segment : *segments) {
    if (segment.p_type != PT_DYNAMIC) continue;
    elf.dynamic = true;
    read_dynamic(file, segment, elf);
  }
  return elf;
}

std::vector<std::optional<ElfSymbol>> read_dynamic_symbols(int fd, const std::vector<std::string_view>& names) {
  std::vector<std::optional<ElfSymbol>> found(names.size());
  for_each_named(fd, SHT_DYNSYM, names, [&](std::size_t name, const Elf64_Sym& symbol, bool is_default) {
    if (is_defined(symbol) && (!found[name] || is_default)) found[name] = ElfSymbol{symbol.st_value, symbol.st_size};
  });
  return found;
}

std::vector<NamedFunction> read_functions(int fd, SymbolTable table, const std::vector<std::string_view>& names) {
  std::vector<NamedFunction> found;
  const Elf64_Word type = table == SymbolTable::dynamic ? SHT_DYNSYM : SHT_SYMTAB;
  for_each_named(fd, type, names, [&](std::size_t name, const Elf64_Sym& symbol, bool) {
    if (!is_defined(symbol) || ELF64_ST_TYPE(symbol.st_info) != STT_FUNC || found.size() >= kMaxNamedFunctions) return;
    found.push_back({name, {symbol.st_value, symbol.st_size}});
  });
  return found;
}

bool imports_symbol(int fd, std::string_view name) {
  if (!read_elf_header(BoundedFile(fd))) return false;
  const auto elf = read_elf(fd);
  if (elf && !elf->dynamic && !elf->has_interpreter) return false;
  bool found = false;
  const bool readable = for_each_named(fd, SHT_DYNSYM, {name}, [&](std::size_t, const Elf64_Sym& symbol, bool) {
    found |= symbol.st_shndx == SHN_UNDEF;
  });
  return found || !readable;
}

}  // namespace lockscope
