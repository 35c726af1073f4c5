// SPDX-License-Identifier: Apache-2.0
// One line of a text trace, taken apart: its kind and its fields. The first thing that is wrong with a field is kept,
// and later ones are read as if they were absent, so that a parser asks for all fields and checks once, at finish().
// For trace_parser only.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "source/text_scan.h"
#include "source/trace_names.h"

namespace lockscope::trace {

class Record {
 public:
  explicit Record(std::string_view line);

  [[nodiscard]] std::string_view kind() const { return kind_; }
  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }

  // Leaves `into` alone where the key is absent.
  template <std::integral T>
  void number(std::string_view key, T& into) {
    const Field* field = take(key);
    if (field == nullptr) return;
    const auto value = parse_number<T>(field->value);
    if (value) {
      into = *value;
    } else {
      complain(key, "is no number that fits");
    }
  }
  template <std::integral T>
  void number(std::string_view key, std::optional<T>& into) {
    if (!has(key)) return;
    T value{};
    number(key, value);
    into = value;
  }
  // A process or thread: never negative.
  void pid(std::string_view key, pid_t& into) {
    number(key, into);
    if (into < 0) complain(key, "is negative");
  }
  void flag(std::string_view key, bool& into);
  template <class Enum>
  void name(std::string_view key, Enum& into) {
    const Field* field = take(key);
    if (field == nullptr) return;
    const auto value = named<Enum>(field->value);
    if (value) {
      into = *value;
    } else {
      complain(key, "is none of the words that may stand here");
    }
  }
  void string(std::string_view key, std::string& into, std::size_t limit);
  void bytes(std::string_view key, std::vector<std::uint8_t>& into, std::size_t limit);
  void words(std::string_view key, std::array<std::uint64_t, 6>& into);
  // As it stands.
  [[nodiscard]] std::string_view raw(std::string_view key);

  void require(std::string_view key) {
    if (!has(key)) complain(key, "is missing");
  }
  void complain(std::string_view key, std::string_view what);

  // Once all fields were asked for: what is wrong, or nothing.
  [[nodiscard]] std::optional<std::string> finish();

  template <std::integral T>
  [[nodiscard]] static std::optional<T> parse_number(std::string_view text) {
    TextScan scan(text);
    std::optional<T> value;
    if constexpr (std::unsigned_integral<T>) {
      value = scan.take_hex_or_decimal<T>();
    } else {
      value = scan.take_number<T>();
    }
    return scan.at_end() ? value : std::nullopt;
  }

 private:
  struct Field {
    std::string_view key;
    std::string_view value;
    bool used = false;
  };
  [[nodiscard]] const Field* find(std::string_view key) const;
  [[nodiscard]] const Field* take(std::string_view key);

  std::string_view kind_;
  std::vector<Field> fields_;
  std::optional<std::string> complaint_;
};

}  // namespace lockscope::trace
