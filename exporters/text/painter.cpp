// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/painter.h"

#include <fmt/format.h>

#include <limits>

#include "exporters/text/escape.h"

namespace lockscope {

namespace {

constexpr std::size_t kNarrowest = 40;  // below that, wrapping makes text harder to read, not easier

const char* code_of(Ink ink) {
  switch (ink) {
    case Ink::critical: return "1;97;41";
    case Ink::warning: return "1;33";
    case Ink::notice: return "1;36";
    case Ink::strong: return "1";
    case Ink::faint: return "2";
  }
  return "0";
}

}  // namespace

Painter::Painter(std::ostream& out, bool color, std::size_t width)
    : out_(out), color_(color),
      width_(width == 0 ? std::numeric_limits<std::size_t>::max() : std::max(width, kNarrowest)) {}

std::string Painter::paint(Ink ink, std::string_view text) const {
  if (!color_ || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code_of(ink), text);
}

void Painter::wrapped(std::string_view first, std::string_view rest, std::string_view text) {
  std::string current(first);
  std::size_t columns = width_of(first);
  bool empty = true;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    const std::size_t needed = width_of(word);
    if (!empty && needed >= width_ - std::min(width_, columns)) {
      line(current);
      current = rest;
      columns = width_of(rest);
      empty = true;
    }
    if (!empty) {
      current += ' ';
      ++columns;
    }
    current += word;
    columns += needed;
    empty = false;
  }
  line(current);
}

void Painter::ends(std::string_view left, std::size_t left_columns, std::string_view right, Ink right_ink) {
  const std::size_t right_columns = width_of(right);
  if (right.empty() || left_columns + right_columns + 2 > width_) {
    line(left);
    if (!right.empty()) line("  " + paint(right_ink, right));
    return;
  }
  const std::size_t line_end =
      width_ == std::numeric_limits<std::size_t>::max() ? left_columns + right_columns + 2 : width_;
  out_ << left << std::string(line_end - left_columns - right_columns, ' ') << paint(right_ink, right) << '\n';
}

}  // namespace lockscope
