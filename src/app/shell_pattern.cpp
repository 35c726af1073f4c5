// SPDX-License-Identifier: Apache-2.0
#include "app/shell_pattern.h"

#include <optional>

namespace lockscope {
namespace {

struct Step {
  bool matched = false;
  std::size_t next = 0;  // in the pattern
};

// The set that begins behind the "[" at `at`. Nothing: it never ends.
std::optional<Step> match_set(std::string_view pattern, std::size_t at, unsigned char byte) {
  bool found = false;
  const bool inverted = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (inverted) ++at;
  const auto member = [&pattern](std::size_t& i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) ++i;
    return static_cast<unsigned char>(pattern[i++]);
  };
  for (bool first = true; at < pattern.size(); first = false) {
    if (pattern[at] == ']' && !first) return Step{found != inverted, at + 1};
    const unsigned char low = member(at);
    unsigned char high = low;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      ++at;
      high = member(at);
    }
    found |= byte >= low && byte <= high;
  }
  return std::nullopt;
}

// One byte of the text against what stands at `at`, which is no star.
Step match_one(std::string_view pattern, std::size_t at, char c) {
  if (pattern[at] == '?') return {true, at + 1};
  if (pattern[at] == '[') {
    if (const auto step = match_set(pattern, at + 1, static_cast<unsigned char>(c))) return *step;
  }
  if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
  return {pattern[at] == c, at + 1};
}

}  // namespace

bool matches_shell_pattern(std::string_view pattern, std::string_view text) {
  std::size_t at = 0, i = 0;
  // Only the latest star need be tried with more text: what an earlier one could gain, this one can.
  std::optional<std::size_t> star;
  std::size_t star_text = 0;
  while (i < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = ++at;
      star_text = i;
      continue;
    }
    if (at < pattern.size()) {
      if (const Step step = match_one(pattern, at, text[i]); step.matched) {
        at = step.next;
        ++i;
        continue;
      }
    }
    if (!star) return false;
    at = *star;
    i = ++star_text;
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

std::string shell_pattern_for(std::string_view text) {
  constexpr std::string_view kSpecial = "*?[]\\";
  std::string pattern;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool at_edge = i == 0 || i + 1 == text.size();
    if (c < ' ' || c > '~' || (c == ' ' && at_edge)) {
      pattern += '?';
      continue;
    }
    // Behind a blank it would begin a comment.
    const bool comment = c == '#' && i > 0 && text[i - 1] == ' ';
    if (comment || kSpecial.find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace lockscope
