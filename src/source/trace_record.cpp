// SPDX-License-Identifier: Apache-2.0
#include "source/trace_record.h"

#include <fmt/format.h>

#include <algorithm>

namespace lockscope::trace {
namespace {

constexpr std::size_t kMaxFields = 64;

bool is_plain_key(char c) { return (c >= 'a' && c <= 'z') || c == '_'; }

std::optional<std::uint8_t> hex_byte(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  TextScan scan(text.substr(0, 2));
  const auto value = scan.take_number<std::uint8_t>(16);
  return scan.at_end() ? value : std::nullopt;
}

}  // namespace

Record::Record(std::string_view line) {
  TextScan scan(line);
  kind_ = scan.take_until(' ');
  while (!scan.at_end()) {
    const std::string_view word = scan.take_until(' ');
    const std::size_t equals = word.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
      complaint_ = "is not made of key=value fields with one blank between them";
      return;
    }
    const Field field{word.substr(0, equals), word.substr(equals + 1)};
    if (has(field.key)) complain(field.key, "is given twice");
    if (fields_.size() == kMaxFields) complain(field.key, "is one field too many");
    if (complaint_) return;
    fields_.push_back(field);
  }
}

const Record::Field* Record::find(std::string_view key) const {
  const auto field = std::ranges::find(fields_, key, &Field::key);
  return field == fields_.end() ? nullptr : &*field;
}

const Record::Field* Record::take(std::string_view key) {
  const auto field = std::ranges::find(fields_, key, &Field::key);
  if (field == fields_.end()) return nullptr;
  field->used = true;
  return &*field;
}

std::string_view Record::raw(std::string_view key) {
  const Field* field = take(key);
  return field == nullptr ? std::string_view{} : field->value;
}

void Record::flag(std::string_view key, bool& into) {
  const Field* field = take(key);
  if (field == nullptr) return;
  if (field->value != "0" && field->value != "1") complain(key, "is neither 0 nor 1");
  into = field->value == "1";
}

void Record::string(std::string_view key, std::string& into, std::size_t limit) {
  const std::string_view escaped = raw(key);
  std::string plain;
  for (std::size_t i = 0; i < escaped.size(); ++i) {
    if (is_plain(escaped[i])) {
      plain += escaped[i];
      continue;
    }
    const auto byte = escaped[i] == '%' ? hex_byte(escaped.substr(i + 1)) : std::nullopt;
    if (!byte) return complain(key, "has a character that must be written as %XX");
    plain += static_cast<char>(*byte);
    i += 2;
  }
  if (plain.size() > limit) return complain(key, "is too long");
  if (!plain.empty()) into = std::move(plain);
}

void Record::bytes(std::string_view key, std::vector<std::uint8_t>& into, std::size_t limit) {
  const std::string_view digits = raw(key);
  if (digits.size() % 2 != 0 || digits.size() / 2 > limit) return complain(key, "is too long, or half a byte short");
  std::vector<std::uint8_t> bytes(digits.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = hex_byte(digits.substr(2 * i));
    if (!byte) return complain(key, "is not hexadecimal");
    bytes[i] = *byte;
  }
  if (!bytes.empty()) into = std::move(bytes);
}

void Record::words(std::string_view key, std::array<std::uint64_t, 6>& into) {
  if (!has(key)) return;
  TextScan scan(raw(key));
  for (std::size_t i = 0; i < into.size(); ++i) {
    const auto value = parse_number<std::uint64_t>(scan.take_until(','));
    if (!value) return complain(key, "is not six numbers");
    into[i] = *value;
  }
  if (!scan.at_end()) complain(key, "is more than six numbers");
}

void Record::complain(std::string_view key, std::string_view what) {
  // The key may be anything, and what is said ends on a terminal.
  const bool printable = key.size() <= 32 && std::ranges::all_of(key, is_plain_key);
  if (!complaint_) complaint_ = fmt::format("{} {}", printable ? key : "a field", what);
}

std::optional<std::string> Record::finish() {
  for (const Field& field : fields_) {
    if (!field.used) complain(field.key, "is not a field of this record");
  }
  return complaint_;
}

}  // namespace lockscope::trace
