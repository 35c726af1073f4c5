// SPDX-License-Identifier: Apache-2.0
#include "symbols/elf_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace lockscope {

BoundedFile::BoundedFile(int fd) : fd_(fd) {
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) size_ = static_cast<std::uint64_t>(status.st_size);
}

bool BoundedFile::read(std::uint64_t offset, void* into, std::size_t length) const {
  if (!holds(offset, length)) return false;
  auto* bytes = static_cast<char*>(into);
  while (length > 0) {
    const ssize_t got = ::pread(fd_, bytes, length, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    offset += static_cast<std::uint64_t>(got);
    length -= static_cast<std::size_t>(got);
  }
  return true;
}

std::optional<Elf64_Ehdr> read_elf_header(const BoundedFile& file) {
  const auto header = file.read_one<Elf64_Ehdr>(0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return std::nullopt;
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB) return std::nullopt;
  if (header->e_machine != EM_X86_64) return std::nullopt;
  if (header->e_type != ET_EXEC && header->e_type != ET_DYN) return std::nullopt;
  return header;
}

std::optional<std::vector<Elf64_Phdr>> read_elf_segments(const BoundedFile& file, const Elf64_Ehdr& header) {
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return std::nullopt;
  return file.read_table<Elf64_Phdr>(header.e_phoff, header.e_phnum, kMaxProgramHeaders);
}

std::optional<std::vector<Elf64_Shdr>> read_elf_sections(const BoundedFile& file, const Elf64_Ehdr& header) {
  if (header.e_shoff == 0 || header.e_shentsize != sizeof(Elf64_Shdr)) return std::nullopt;
  return file.read_table<Elf64_Shdr>(header.e_shoff, header.e_shnum, kMaxSectionHeaders);
}

}  // namespace lockscope
