// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/escape.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <limits>
#include <vector>

#include "exporters/utf8.h"

namespace lockscope {

namespace {

constexpr std::string_view kEllipsis = "…";

// A character as printed, with its columns.
struct Piece {
  std::string text;
  std::size_t columns;
};

Piece print(std::string_view raw, const Decoded& decoded) {
  const std::string_view bytes = raw.substr(0, decoded.length);
  std::string text;
  if (!decoded.valid) {
    for (const char byte : bytes) {
      fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(byte)));
    }
  } else if (!is_hazardous(decoded.code_point)) {
    return {std::string(bytes), 1};
  } else if (decoded.code_point < 0x80) {
    text = fmt::format("\\x{:02x}", static_cast<std::uint32_t>(decoded.code_point));
  } else {
    text = fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(decoded.code_point));
  }
  const std::size_t columns = text.size();
  return {std::move(text), columns};
}

std::vector<Piece> pieces_of(std::string_view raw) {
  std::vector<Piece> pieces;
  while (!raw.empty()) {
    const Decoded next = decode_utf8(raw);
    pieces.push_back(print(raw, next));
    raw.remove_prefix(next.length);
  }
  return pieces;
}

// Keeps as many pieces as fit beside the ellipsis: up to `head` columns from the front, the rest from the back.
std::string shortened(std::string_view raw, std::size_t columns, std::size_t head) {
  const std::vector<Piece> pieces = pieces_of(raw);
  std::size_t total = 0;
  for (const Piece& piece : pieces) total += piece.columns;
  std::string text;
  if (total <= columns) {
    for (const Piece& piece : pieces) text += piece.text;
    return text;
  }
  if (columns == 0) return text;
  std::size_t room = columns - 1;
  std::size_t front = 0;
  for (std::size_t used = 0; front < pieces.size() && used + pieces[front].columns <= std::min(head, room); ++front) {
    used += pieces[front].columns;
    text += pieces[front].text;
  }
  room -= width_of(text);
  text += kEllipsis;
  std::size_t back = pieces.size();
  if (head < columns - 1) {
    while (back > front && pieces[back - 1].columns <= room) room -= pieces[--back].columns;
  }
  for (; back < pieces.size(); ++back) text += pieces[back].text;
  return text;
}

}  // namespace

std::string escape(std::string_view raw) {
  std::string text;
  text.reserve(raw.size());
  while (!raw.empty()) {
    const Decoded next = decode_utf8(raw);
    text += print(raw, next).text;
    raw.remove_prefix(next.length);
  }
  return text;
}

std::string escape_to(std::string_view raw, std::size_t columns) {
  return shortened(raw, columns, std::numeric_limits<std::size_t>::max());
}

std::string escape_path_to(std::string_view raw, std::size_t columns) { return shortened(raw, columns, columns / 3); }

std::size_t width_of(std::string_view text) {
  std::size_t columns = 0;
  for (const char byte : text) columns += (static_cast<unsigned char>(byte) & 0xc0) != 0x80 ? 1 : 0;
  return columns;
}

}  // namespace lockscope
