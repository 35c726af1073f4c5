// SPDX-License-Identifier: Apache-2.0
// The frame of a 64-bit little-endian x86-64 ELF file: its header, segments and sections, by bounded reads. The file is
// hostile: whatever does not lie in it, or is longer than the limit, is not there; nothing is mapped. Format: System V
// gABI chapters 4 and 5. For the readers of ELF files in src/symbols and src/source. Cost: a pread(2) for each part.
#pragma once

#include <elf.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace lockscope {

inline constexpr std::size_t kMaxProgramHeaders = 512;
inline constexpr std::size_t kMaxSectionHeaders = 4096;

// A regular file, of the size that it had at first; reads are all or nothing and never beyond it. Anything else is
// empty.
class BoundedFile {
 public:
  // The descriptor outlives this; its position is not used.
  explicit BoundedFile(int fd);

  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t length) const {
    return offset <= size_ && length <= size_ - offset;
  }
  [[nodiscard]] bool read(std::uint64_t offset, void* into, std::size_t length) const;

  template <class T>
  [[nodiscard]] std::optional<T> read_one(std::uint64_t offset) const {
    T value{};
    if (!read(offset, &value, sizeof value)) return std::nullopt;
    return value;
  }

  // A table of records; nothing if it has more than `limit` or does not lie in the file.
  template <class T>
  [[nodiscard]] std::optional<std::vector<T>> read_table(std::uint64_t offset, std::uint64_t count,
                                                         std::uint64_t limit) const {
    if (count > limit || !holds(offset, count * sizeof(T))) return std::nullopt;
    std::vector<T> table(count);
    if (count > 0 && !read(offset, table.data(), count * sizeof(T))) return std::nullopt;
    return table;
  }

 private:
  int fd_;
  std::uint64_t size_ = 0;
};

// Nothing: no x86-64 executable or shared object.
[[nodiscard]] std::optional<Elf64_Ehdr> read_elf_header(const BoundedFile& file);
[[nodiscard]] std::optional<std::vector<Elf64_Phdr>> read_elf_segments(const BoundedFile& file,
                                                                       const Elf64_Ehdr& header);
[[nodiscard]] std::optional<std::vector<Elf64_Shdr>> read_elf_sections(const BoundedFile& file,
                                                                       const Elf64_Ehdr& header);

}  // namespace lockscope
