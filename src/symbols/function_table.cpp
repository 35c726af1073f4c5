// SPDX-License-Identifier: Apache-2.0
#include "symbols/function_table.h"

#include <algorithm>
#include <tuple>

#include "symbols/symbol_reader.h"

namespace lockscope {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr int kMaxNesting = 64;  // real files have 3

std::uint64_t page_of(std::uint64_t offset) { return offset & ~(kPage - 1); }

}  // namespace

std::optional<FunctionTable> FunctionTable::read(int fd, const std::string& debug_directory) {
  FunctionTable table;
  if (!SymbolReader(table, debug_directory).read(fd)) return std::nullopt;
  table.arrange(table.functions_);
  table.arrange(table.objects_);
  return table;
}

// Of symbols that begin at one address the best comes last, where the search meets it first; of the others those stay
// that reach further.
void FunctionTable::arrange(std::vector<Entry>& entries) {
  std::ranges::sort(entries, [this](const Entry& a, const Entry& b) {
    const auto key = [](const Entry& e) { return std::make_tuple(e.address, e.end_guessed, e.rank, e.name_size); };
    if (key(a) != key(b)) return key(a) < key(b);
    const std::string_view name_a(names_.data() + a.name, a.name_size), name_b(names_.data() + b.name, b.name_size);
    return std::make_tuple(name_a, a.end) < std::make_tuple(name_b, b.end);
  });
  // A guess ends at the next function, before those at its own address are thinned out.
  std::uint64_t next = ~std::uint64_t{0};
  for (std::size_t i = entries.size(); i-- > 0;) {
    if (i + 1 < entries.size() && entries[i + 1].address > entries[i].address) next = entries[i + 1].address;
    if (entries[i].end_guessed) entries[i].end = std::min(entries[i].end, next);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < entries.size();) {
    const std::size_t group = kept;
    const std::uint64_t address = entries[i].address;
    std::uint64_t furthest = address;
    for (; i < entries.size() && entries[i].address == address; ++i) {
      if (entries[i].end <= furthest || (entries[i].end_guessed && kept > group)) continue;
      furthest = entries[i].end;
      entries[kept++] = entries[i];
    }
    std::reverse(entries.begin() + static_cast<std::ptrdiff_t>(group),
                 entries.begin() + static_cast<std::ptrdiff_t>(kept));
  }
  entries.resize(kept);
  entries.shrink_to_fit();

  std::vector<std::uint32_t> open;  // entries that the address of the next one may lie in
  for (std::size_t i = 0; i < entries.size(); ++i) {
    while (!open.empty() && entries[open.back()].end <= entries[i].address) open.pop_back();
    entries[i].around = open.empty() ? 0 : open.back() + 1;
    open.push_back(static_cast<std::uint32_t>(i));
  }
}

std::optional<FunctionTable::Symbol> FunctionTable::find(const std::vector<Entry>& entries,
                                                         std::uint64_t address) const {
  const auto after = std::ranges::upper_bound(entries, address, {}, &Entry::address);
  auto at = static_cast<std::size_t>(after - entries.begin());
  for (int i = 0; at > 0 && i < kMaxNesting; ++i) {
    const Entry& entry = entries[at - 1];
    if (address < entry.end) {
      return Symbol{
          {names_.data() + entry.name, entry.name_size}, entry.address, entry.end - entry.address, entry.end_guessed};
    }
    at = entry.around;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> FunctionTable::load_bias(std::uint64_t start, std::uint64_t offset,
                                                      bool executable) const {
  // The loader maps whole pages, so a page of the file may be mapped as the end of one segment and as the beginning of
  // the next: the rights and the beginning tell which.
  const Segment* best = nullptr;
  int best_score = -1;
  for (const Segment& segment : segments_) {
    const std::uint64_t low = page_of(segment.offset);
    if (segment.file_size == 0 || offset < low || offset >= segment.offset + segment.file_size) continue;
    const int score = (segment.executable == executable ? 2 : 0) + (offset == low ? 1 : 0);
    if (score > best_score) {
      best = &segment;
      best_score = score;
    }
  }
  if (best == nullptr) return std::nullopt;
  return start - offset + best->offset - best->address;
}

bool FunctionTable::is_writable(std::uint64_t address) const {
  return std::ranges::any_of(segments_, [&](const Segment& segment) {
    return segment.writable && address >= segment.address && address - segment.address < segment.memory_size;
  });
}

std::size_t FunctionTable::memory() const {
  return sizeof *this + names_.capacity() + segments_.capacity() * sizeof(Segment) +
         (functions_.capacity() + objects_.capacity()) * sizeof(Entry);
}

}  // namespace lockscope
