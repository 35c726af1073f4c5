// SPDX-License-Identifier: Apache-2.0
// Small ELF files made by tests: a text segment, a data segment with zeroed memory behind it, and a symbol table.
#pragma once

#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "source/unique_fd.h"

namespace lockscope {

// Text: offset and address 0x1000, size 0x1080; symbols lie in the first 0x1000. Data: offset 0x2100, address 0x3100,
// size 0x100 in the file and 0x2000 in memory. So the page of the file at 0x2000 belongs to both.
class ElfImage {
 public:
  static constexpr std::uint64_t kText = 0x1000, kTextSize = 0x1000, kTextSegmentSize = 0x1080;
  static constexpr std::uint64_t kData = 0x3100, kDataOffset = 0x2100, kDataFileSize = 0x100, kDataSize = 0x2000;
  static constexpr std::uint16_t kTextSection = 1, kDataSection = 2;

  ElfImage& function(std::string_view name, std::uint64_t address, std::uint64_t size,
                     unsigned char binding = STB_GLOBAL) {
    return symbol(name, address, size, static_cast<unsigned char>(ELF64_ST_INFO(binding, STT_FUNC)), kTextSection);
  }
  ElfImage& object(std::string_view name, std::uint64_t address, std::uint64_t size) {
    return symbol(name, address, size, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), kDataSection);
  }
  ElfImage& symbol(std::string_view name, std::uint64_t address, std::uint64_t size, unsigned char info,
                   std::uint16_t section) {
    Elf64_Sym entry{};
    entry.st_name = static_cast<Elf64_Word>(names_.size());
    entry.st_info = info;
    entry.st_shndx = section;
    entry.st_value = address;
    entry.st_size = size;
    names_ += name;
    names_ += '\0';
    symbols_.push_back(entry);
    return *this;
  }
  // The table that is there: SHT_SYMTAB, SHT_DYNSYM, or neither.
  ElfImage& table(Elf64_Word type) {
    type_ = type;
    return *this;
  }
  ElfImage& build_id(std::string_view id) {
    build_id_ = id;
    return *this;
  }

  [[nodiscard]] std::string bytes() const {
    std::string file(0x2200, '\0');
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = EM_X86_64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_shentsize = sizeof(Elf64_Shdr);

    std::vector<Elf64_Phdr> segments(2);
    segments[0] = {PT_LOAD, PF_R | PF_X, kText, kText, kText, kTextSegmentSize, kTextSegmentSize, 0x1000};
    segments[1] = {PT_LOAD, PF_R | PF_W, kDataOffset, kData, kData, kDataFileSize, kDataSize, 0x1000};
    header.e_phnum = static_cast<Elf64_Half>(segments.size());
    std::memcpy(file.data() + header.e_phoff, segments.data(), segments.size() * sizeof(Elf64_Phdr));

    std::vector<Elf64_Shdr> sections(6);
    sections[kTextSection].sh_type = SHT_PROGBITS;
    sections[kTextSection].sh_addr = kText;
    sections[kTextSection].sh_size = kTextSize;
    sections[kDataSection].sh_type = SHT_NOBITS;
    sections[kDataSection].sh_addr = kData;
    sections[kDataSection].sh_size = kDataSize;
    sections[3].sh_type = type_;
    sections[3].sh_link = 4;
    sections[3].sh_entsize = sizeof(Elf64_Sym);
    place(file, sections[3], {reinterpret_cast<const char*>(symbols_.data()), symbols_.size() * sizeof(Elf64_Sym)});
    sections[4].sh_type = SHT_STRTAB;
    place(file, sections[4], names_);
    std::string note;
    if (!build_id_.empty()) {
      const Elf64_Nhdr note_header{4, static_cast<Elf64_Word>(build_id_.size()), NT_GNU_BUILD_ID};
      note.assign(reinterpret_cast<const char*>(&note_header), sizeof note_header);
      note.append("GNU", 4);
      note += build_id_;
    }
    sections[5].sh_type = note.empty() ? SHT_NULL : SHT_NOTE;
    place(file, sections[5], note);

    header.e_shoff = file.size();
    header.e_shnum = static_cast<Elf64_Half>(sections.size());
    file.append(reinterpret_cast<const char*>(sections.data()), sections.size() * sizeof(Elf64_Shdr));
    std::memcpy(file.data(), &header, sizeof header);
    return file;
  }
  [[nodiscard]] UniqueFd file() const { return file_of(bytes()); }

  [[nodiscard]] static UniqueFd file_of(std::string_view bytes) {
    UniqueFd fd(::memfd_create("elf", MFD_CLOEXEC));
    if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return {};
    return fd;
  }

 private:
  static void place(std::string& file, Elf64_Shdr& section, std::string_view content) {
    file.resize((file.size() + 7) & ~std::size_t{7});
    section.sh_offset = file.size();
    section.sh_size = content.size();
    file += content;
  }

  std::vector<Elf64_Sym> symbols_{Elf64_Sym{}};
  std::string names_{'\0'};
  std::string build_id_;
  Elf64_Word type_ = SHT_SYMTAB;
};

}  // namespace lockscope
