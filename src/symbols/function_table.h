// SPDX-License-Identifier: Apache-2.0
// The functions and the data objects of one x86-64 ELF file, to be looked up by address, and its segments, which say
// where a mapping of the file lies in its own addresses. Symbols come from .symtab; where a file was stripped, from its
// separate debug file below /usr/lib/debug/.build-id if that bears the same build id; else from .dynsym.
//
// The file is hostile: every size, count and offset is checked, reads are bounded, nothing is mapped. Names are raw.
// For trace_names. Cost: 0.3 us a symbol once; a look-up is a binary search. Memory: 32 bytes a symbol and the names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockscope {

class FunctionTable {
 public:
  struct Symbol {
    std::string_view name;  // without its version; belongs to the table
    std::uint64_t address = 0;
    std::uint64_t size = 0;
    bool end_guessed = false;  // the file gives no size: reaches to the next function or the end of the section
  };
  struct Segment {
    std::uint64_t offset = 0;
    std::uint64_t address = 0;
    std::uint64_t file_size = 0;
    std::uint64_t memory_size = 0;  // at least file_size; what exceeds it is zeroed memory
    bool executable = false;
    bool writable = false;
  };

  // Nothing: no ELF file of this machine, or a damaged one. A file without symbols has segments still. The descriptor
  // is not kept.
  [[nodiscard]] static std::optional<FunctionTable> read(int fd, const std::string& debug_directory = kDebugDirectory);

  // An address belongs to a symbol only if it lies inside of it; to the innermost where several overlap.
  [[nodiscard]] std::optional<Symbol> function_at(std::uint64_t address) const { return find(functions_, address); }
  [[nodiscard]] std::optional<Symbol> object_at(std::uint64_t address) const { return find(objects_, address); }

  [[nodiscard]] const std::vector<Segment>& segments() const { return segments_; }
  // What must be taken from an address in a mapping of this file, which begins at `start` and at `offset` of the file,
  // to have the file's own address. Modulo 2^64. Nothing: no segment is mapped like this.
  [[nodiscard]] std::optional<std::uint64_t> load_bias(std::uint64_t start, std::uint64_t offset,
                                                       bool executable) const;
  // Whether the loader puts writable memory at this address of the file.
  [[nodiscard]] bool is_writable(std::uint64_t address) const;

  [[nodiscard]] std::size_t functions() const { return functions_.size(); }
  [[nodiscard]] std::size_t objects() const { return objects_.size(); }
  [[nodiscard]] std::size_t memory() const;

  static constexpr const char* kDebugDirectory = "/usr/lib/debug/.build-id";
  // A file beyond one of these is taken as one without that table.
  static constexpr std::uint64_t kMaxNameBytes = std::uint64_t{128} << 20;
  static constexpr std::size_t kMaxSymbols = 2'000'000;  // 48 MB in the file
  static constexpr std::size_t kMaxName = 4096;          // longer names are cut

 private:
  friend class SymbolReader;
  struct Entry {
    std::uint64_t address = 0;
    std::uint64_t end = 0;
    std::uint32_t name = 0;    // in names_
    std::uint32_t around = 0;  // the nearest earlier entry that may reach beyond this one, plus 1; 0: none
    std::uint16_t name_size = 0;
    std::uint8_t rank = 0;  // of its binding: lower is better
    bool end_guessed = false;
  };

  void arrange(std::vector<Entry>& entries);
  [[nodiscard]] std::optional<Symbol> find(const std::vector<Entry>& entries, std::uint64_t address) const;

  std::vector<Segment> segments_;
  std::vector<Entry> functions_;  // by address; of several at one address the best is the last
  std::vector<Entry> objects_;
  std::vector<char> names_;
};

}  // namespace lockscope
