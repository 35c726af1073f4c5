// SPDX-License-Identifier: Apache-2.0
// A cursor over text that somebody else wrote: /proc files and traces. Never reads past the end, never throws, refuses
// numbers that do not fit. A take_* that fails leaves the cursor where it was. Views point into the text given.
#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>

namespace lockscope {

class TextScan {
 public:
  explicit TextScan(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }

  bool take(std::string_view literal) {
    if (!rest_.starts_with(literal)) return false;
    rest_.remove_prefix(literal.size());
    return true;
  }

  void skip(char c) {
    while (!rest_.empty() && rest_.front() == c) rest_.remove_prefix(1);
  }
  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }

  // Digits of the base only: no sign for unsigned types, no prefix, no blanks.
  template <std::integral T>
  [[nodiscard]] std::optional<T> take_number(int base = 10) {
    T value{};
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value, base);
    if (error != std::errc{}) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  // With or without 0x: what traces are written in.
  template <std::unsigned_integral T>
  [[nodiscard]] std::optional<T> take_hex_or_decimal() {
    const std::string_view before = rest_;
    const bool hex = take("0x");
    auto value = take_number<T>(hex ? 16 : 10);
    if (!value) rest_ = before;
    return value;
  }

  // Up to the separator, which is taken too; the rest of the text if there is none.
  [[nodiscard]] std::string_view take_until(char separator) {
    const std::size_t end = rest_.find(separator);
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return word;
  }
  [[nodiscard]] std::string_view take_line() { return take_until('\n'); }

  // Up to the next blank, after the blanks that stand here; empty at the end.
  [[nodiscard]] std::string_view take_word() {
    skip_blanks();
    const std::string_view word = rest_.substr(0, rest_.find_first_of(" \t"));
    rest_.remove_prefix(word.size());
    return word;
  }

 private:
  std::string_view rest_;
};

}  // namespace lockscope
