// SPDX-License-Identifier: Apache-2.0
// Where the text exporter writes lines: colour if asked for, words wrapped to the width. Assumes that what it is given
// is escaped already. For exporters/text only.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <string_view>

namespace lockscope {

enum class Ink { critical, warning, notice, strong, faint };

class Painter {
 public:
  // width 0: lines as long as they like.
  Painter(std::ostream& out, bool color, std::size_t width);

  [[nodiscard]] std::string paint(Ink ink, std::string_view text) const;
  [[nodiscard]] std::size_t width() const { return width_; }

  void line(std::string_view text) { out_ << text << '\n'; }
  void line() { out_ << '\n'; }

  // `text` broken at spaces; the first line begins with `first`, the others with `rest`.
  void wrapped(std::string_view first, std::string_view rest, std::string_view text);
  // Left and right ends of one line; the right one is dropped to a line of its own where it does not fit.
  void ends(std::string_view left, std::size_t left_columns, std::string_view right, Ink right_ink);

 private:
  std::ostream& out_;
  bool color_;
  std::size_t width_;
};

}  // namespace lockscope
