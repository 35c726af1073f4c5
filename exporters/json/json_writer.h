// SPDX-License-Identifier: Apache-2.0
// Writes JSON as it is told, value by value, so that a report of any length needs one line's memory. Pretty-printed,
// two spaces a level. Assumes balanced calls (asserted) and keys that are plain ASCII; strings may be any bytes: what
// is not UTF-8 becomes U+FFFD, what acts on a terminal becomes \uXXXX. For the exporters. About 100 ns a value.
#pragma once

#include <concepts>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace lockscope {

class JsonWriter {
 public:
  explicit JsonWriter(std::ostream& out) : out_(out) {}
  JsonWriter(const JsonWriter&) = delete;
  JsonWriter& operator=(const JsonWriter&) = delete;
  ~JsonWriter();

  void begin_object() { begin('{'); }
  void end_object() { end('}'); }
  void begin_array() { begin('['); }
  void end_array() { end(']'); }

  JsonWriter& key(std::string_view name);  // then one value

  void value(std::string_view text);
  void value(const char* text) { value(std::string_view(text)); }
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(bool truth);
  void value(std::signed_integral auto number) { integer(static_cast<std::int64_t>(number)); }
  void value(std::unsigned_integral auto number) { natural(static_cast<std::uint64_t>(number)); }

  // The document is whole: a newline and everything out.
  void finish();

 private:
  void begin(char bracket);
  void end(char bracket);
  void integer(std::int64_t number);
  void natural(std::uint64_t number);
  void before_value();
  void newline();
  void append_string(std::string_view text);
  void flush_if_full();

  std::ostream& out_;
  std::string buffer_;
  std::vector<bool> filled_;  // per open bracket: has a member already
  bool after_key_ = false;
};

}  // namespace lockscope
