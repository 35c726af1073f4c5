// SPDX-License-Identifier: Apache-2.0
#include "exporters/json/json_writer.h"

#include <fmt/format.h>

#include <cassert>
#include <iterator>
#include <ostream>

#include "exporters/utf8.h"

namespace lockscope {

namespace {

constexpr std::size_t kBuffer = 64 * 1024;

void append_escaped(std::string& out, char32_t code_point) {
  if (code_point < 0x10000) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<std::uint32_t>(code_point));
    return;
  }
  const auto rest = static_cast<std::uint32_t>(code_point) - 0x10000;
  fmt::format_to(std::back_inserter(out), "\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
}

}  // namespace

JsonWriter::~JsonWriter() { out_ << buffer_; }

JsonWriter& JsonWriter::key(std::string_view name) {
  assert(!filled_.empty() && !after_key_);
  before_value();
  append_string(name);
  buffer_ += ": ";
  after_key_ = true;
  return *this;
}

void JsonWriter::value(std::string_view text) {
  before_value();
  append_string(text);
}

void JsonWriter::value(bool truth) {
  before_value();
  buffer_ += truth ? "true" : "false";
}

void JsonWriter::integer(std::int64_t number) {
  before_value();
  fmt::format_to(std::back_inserter(buffer_), "{}", number);
}

void JsonWriter::natural(std::uint64_t number) {
  before_value();
  fmt::format_to(std::back_inserter(buffer_), "{}", number);
}

void JsonWriter::finish() {
  assert(filled_.empty() && !after_key_);
  buffer_ += '\n';
  out_ << buffer_;
  buffer_.clear();
}

void JsonWriter::begin(char bracket) {
  before_value();
  buffer_ += bracket;
  filled_.push_back(false);
}

void JsonWriter::end(char bracket) {
  assert(!filled_.empty() && !after_key_);
  const bool had_members = filled_.back();
  filled_.pop_back();
  if (had_members) newline();
  buffer_ += bracket;
  flush_if_full();
}

void JsonWriter::before_value() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (filled_.empty()) return;
  if (filled_.back()) buffer_ += ',';
  filled_.back() = true;
  newline();
}

void JsonWriter::newline() {
  buffer_ += '\n';
  buffer_.append(2 * filled_.size(), ' ');
}

void JsonWriter::append_string(std::string_view text) {
  buffer_ += '"';
  while (!text.empty()) {
    const Decoded next = decode_utf8(text);
    if (!next.valid) {
      buffer_ += "\xef\xbf\xbd";
    } else if (next.code_point == U'"' || next.code_point == U'\\') {
      buffer_ += '\\';
      buffer_ += text.front();
    } else if (next.code_point == U'\n') {
      buffer_ += "\\n";
    } else if (next.code_point == U'\t') {
      buffer_ += "\\t";
    } else if (is_hazardous(next.code_point)) {
      append_escaped(buffer_, next.code_point);
    } else {
      buffer_ += text.substr(0, next.length);
    }
    text.remove_prefix(next.length);
  }
  buffer_ += '"';
}

void JsonWriter::flush_if_full() {
  if (buffer_.size() < kBuffer) return;
  out_ << buffer_;
  buffer_.clear();
}

}  // namespace lockscope
