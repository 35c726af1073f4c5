// SPDX-License-Identifier: Apache-2.0
#include "symbols/symbol_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace lockscope {
namespace {

constexpr std::uint64_t kMaxNotes = 4096;
constexpr std::size_t kMaxBuildId = 64;
constexpr std::size_t kSymbolsARead = 4096;

constexpr std::uint64_t padded(std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; }

// Assemblers leave labels of their own; other machines mark code and data so. Neither names anything.
bool is_label(std::string_view name) { return name.empty() || name.starts_with(".L") || name.starts_with('$'); }

std::uint8_t rank_of(unsigned char info) {
  switch (ELF64_ST_BIND(info)) {
    case STB_GLOBAL:
    case STB_GNU_UNIQUE: return 0;
    case STB_WEAK: return 1;
    default: return 2;  // a number of the file's
  }
}

}  // namespace

std::vector<std::uint8_t> read_build_id(const BoundedFile& file, const std::vector<Elf64_Shdr>& sections) {
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_NOTE || section.sh_size > kMaxNotes) continue;
    const auto notes = file.read_table<std::uint8_t>(section.sh_offset, section.sh_size, kMaxNotes);
    if (!notes) continue;
    for (std::uint64_t at = 0; at + sizeof(Elf64_Nhdr) <= notes->size();) {
      Elf64_Nhdr note{};
      std::memcpy(&note, notes->data() + at, sizeof note);
      const std::uint64_t name = at + sizeof note, content = name + padded(note.n_namesz);
      at = content + padded(note.n_descsz);
      if (content + note.n_descsz > notes->size()) break;
      if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || std::memcmp(notes->data() + name, "GNU", 4) != 0) {
        continue;
      }
      if (note.n_descsz < 2 || note.n_descsz > kMaxBuildId) return {};
      return {notes->data() + content, notes->data() + content + note.n_descsz};
    }
  }
  return {};
}

bool SymbolReader::read(int fd) {
  const BoundedFile file(fd);
  const auto header = read_elf_header(file);
  if (!header || !read_segments(file, *header)) return false;
  if (const auto sections = read_elf_sections(file, *header)) {
    // Whatever gives something is enough: the fuller one is asked first.
    static_cast<void>(read_table(file, *sections, SHT_SYMTAB) || read_debug_file(file, *sections) ||
                      read_table(file, *sections, SHT_DYNSYM));
  }
  return true;
}

bool SymbolReader::read_segments(const BoundedFile& file, const Elf64_Ehdr& header) {
  const auto segments = read_elf_segments(file, header);
  if (!segments) return false;
  for (const Elf64_Phdr& segment : *segments) {
    if (segment.p_type != PT_LOAD) continue;
    // Sums of hostile numbers: a segment that would wrap around is not believed.
    const std::uint64_t memory = std::max(segment.p_memsz, segment.p_filesz);
    if (!file.holds(segment.p_offset, segment.p_filesz) || segment.p_vaddr > ~memory) return false;
    table_.segments_.push_back({segment.p_offset, segment.p_vaddr, segment.p_filesz, memory,
                                (segment.p_flags & PF_X) != 0, (segment.p_flags & PF_W) != 0});
  }
  return true;
}

bool SymbolReader::read_debug_file(const BoundedFile& file, const Sections& sections) {
  const auto id = read_build_id(file, sections);
  if (id.empty() || debug_directory_.empty()) return false;
  std::string path = fmt::format("{}/{:02x}/", debug_directory_, id[0]);
  for (std::size_t i = 1; i < id.size(); ++i) path += fmt::format("{:02x}", id[i]);
  path += ".debug";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return false;
  const BoundedFile debug(fd);
  const auto header = read_elf_header(debug);
  const auto debug_sections = header ? read_elf_sections(debug, *header) : std::nullopt;
  const bool found =
      debug_sections && read_build_id(debug, *debug_sections) == id && read_table(debug, *debug_sections, SHT_SYMTAB);
  ::close(fd);
  return found;
}

bool SymbolReader::read_table(const BoundedFile& file, const Sections& sections, Elf64_Word type) {
  const auto table = std::ranges::find(sections, type, &Elf64_Shdr::sh_type);
  if (table == sections.end() || table->sh_link >= sections.size()) return false;
  const Elf64_Shdr& strings = sections[table->sh_link];
  if (strings.sh_type != SHT_STRTAB || strings.sh_size == 0) return false;
  const std::uint64_t count = table->sh_size / sizeof(Elf64_Sym);
  if (count > FunctionTable::kMaxSymbols || !file.holds(table->sh_offset, table->sh_size)) return false;
  auto names = file.read_table<char>(strings.sh_offset, strings.sh_size, FunctionTable::kMaxNameBytes);
  if (!names) return false;
  table_.names_ = std::move(*names);

  std::vector<Elf64_Sym> some;
  for (std::uint64_t first = 0; first < count; first += some.size()) {
    some.resize(std::min<std::uint64_t>(count - first, kSymbolsARead));
    if (!file.read(table->sh_offset + first * sizeof(Elf64_Sym), some.data(), some.size() * sizeof(Elf64_Sym))) break;
    for (const Elf64_Sym& symbol : some) keep(symbol, sections);
  }
  return !table_.functions_.empty() || !table_.objects_.empty();
}

void SymbolReader::keep(const Elf64_Sym& symbol, const Sections& sections) {
  const auto type = ELF64_ST_TYPE(symbol.st_info);
  const bool function = type == STT_FUNC || type == STT_GNU_IFUNC;
  if (!function && (type != STT_OBJECT || symbol.st_size == 0)) return;
  if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS || symbol.st_shndx == SHN_COMMON) return;
  if (symbol.st_value == 0 || symbol.st_value > ~symbol.st_size) return;
  const std::vector<char>& names = table_.names_;
  if (symbol.st_name >= names.size()) return;
  const char* text = names.data() + symbol.st_name;
  std::string_view name(text, ::strnlen(text, std::min(names.size() - symbol.st_name, FunctionTable::kMaxName)));
  name = name.substr(0, name.find('@'));
  if (is_label(name)) return;

  FunctionTable::Entry entry;
  entry.address = symbol.st_value;
  entry.end = symbol.st_value + symbol.st_size;
  entry.name = symbol.st_name;
  entry.name_size = static_cast<std::uint16_t>(name.size());
  entry.rank = rank_of(symbol.st_info);
  if (symbol.st_size == 0) {
    // Only in a section that it lies in can it be said where it ends.
    if (symbol.st_shndx >= sections.size()) return;
    const Elf64_Shdr& section = sections[symbol.st_shndx];
    if (entry.address < section.sh_addr || entry.address - section.sh_addr >= section.sh_size) return;
    if (section.sh_addr > ~section.sh_size) return;
    entry.end = section.sh_addr + section.sh_size;
    entry.end_guessed = true;
  }
  (function ? table_.functions_ : table_.objects_).push_back(entry);
}

}  // namespace lockscope
