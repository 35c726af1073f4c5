// SPDX-License-Identifier: Apache-2.0
#include "app/suppressions.h"

#include <fnmatch.h>

#include <algorithm>

#include "app/suppression_subjects.h"

namespace lockscope {
namespace {

using Patterns = std::vector<std::string>;
using Texts = std::vector<std::string_view>;

bool matches(const std::string& pattern, std::string_view text) {
  return ::fnmatch(pattern.c_str(), std::string(text).c_str(), 0) == 0;
}

bool each_matches_some(const Patterns& patterns, const Texts& texts) {
  return std::ranges::all_of(patterns, [&](const std::string& pattern) {
    return std::ranges::any_of(texts, [&](std::string_view text) { return matches(pattern, text); });
  });
}

constexpr std::size_t kMaxLinesOfAKind = 16;
constexpr std::size_t kMaxPattern = 1024;

// A pattern for a name that may hold anything, in printable ASCII: "?" stands for what is not, and for blanks that the
// parser would take away.
std::string literal_pattern(std::string_view text) {
  constexpr std::string_view kSpecial = "*?[]\\";
  std::string pattern;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool at_edge = i == 0 || i + 1 == text.size();
    if (c < ' ' || c > '~' || (c == ' ' && at_edge)) {
      pattern += '?';
      continue;
    }
    const bool comment = c == '#' && i > 0 && text[i - 1] == ' ';
    if (comment || kSpecial.find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

// "libfoo.so:worker+0x2a" changes with each build, "libfoo.so:worker+0x*" does not. Without a symbol the offset is all
// that tells one lock from another.
std::string lock_pattern(std::string_view name) {
  const std::size_t plus = name.rfind("+0x");
  if (plus != std::string_view::npos && name.substr(0, plus).find(':') != std::string_view::npos &&
      name.find_first_not_of("0123456789abcdef", plus + 3) == std::string_view::npos) {
    return literal_pattern(name.substr(0, plus)) + "+0x*";
  }
  return literal_pattern(name);
}

// Each once, in the order of the finding.
void put_lines(std::string& text, std::string_view prefix, const Patterns& patterns) {
  Patterns put;
  for (std::string pattern : patterns) {
    if (pattern.size() > kMaxPattern) {
      pattern.resize(kMaxPattern);
      // Half of an escaped byte would make the star stand for itself.
      const std::size_t last = pattern.find_last_not_of('\\');
      if ((pattern.size() - (last == std::string::npos ? 0 : last + 1)) % 2 == 1) pattern.pop_back();
      pattern += '*';
    }
    if (put.size() == kMaxLinesOfAKind || std::ranges::find(put, pattern) != put.end()) continue;
    text += "  ";
    text += prefix;
    text += pattern + '\n';
    put.push_back(std::move(pattern));
  }
}

}  // namespace

std::optional<std::string> Suppressions::match(const FindingDescription& finding) {
  if (entries_.empty()) return std::nullopt;
  const SuppressionSubjects subjects = subjects_of(finding);
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (!matches(entry.kind, finding.kind) || !each_matches_some(entry.functions, subjects.functions) ||
        !each_matches_some(entry.libraries, subjects.modules) || !each_matches_some(entry.locks, subjects.locks)) {
      continue;
    }
    ++uses_[i].count;
    return uses_[i].name;
  }
  return std::nullopt;
}

std::string suppression_for(const FindingDescription& finding) {
  const SuppressionSubjects subjects = subjects_of(finding);
  Patterns functions, modules, locks;
  for (const std::string_view name : subjects.functions) functions.push_back(literal_pattern(name));
  for (const std::string_view path : subjects.nameless_modules) modules.push_back(literal_pattern(path));
  for (const std::string_view name : subjects.locks) locks.push_back(lock_pattern(name));
  if (functions.empty() && modules.empty() && locks.empty()) return {};

  std::string name = finding.kind;
  if (!finding.fingerprint.empty()) name += ' ' + finding.fingerprint;
  std::string text = "{\n  " + name + "\n  " + finding.kind + '\n';
  put_lines(text, "fun:", functions);
  put_lines(text, "lib:", modules);
  put_lines(text, "lock:", locks);
  return text + "}\n";
}

}  // namespace lockscope
