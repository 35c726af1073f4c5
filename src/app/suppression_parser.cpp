// SPDX-License-Identifier: Apache-2.0
// The syntax of a suppressions file: docs/suppressions.md.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/suppressions.h"
#include "source/unique_fd.h"

namespace lockscope {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr const char* kHint = "docs/suppressions.md";

bool is_kind_pattern(std::string_view text) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789_*?[]!-";
  return text.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace

class SuppressionParser {
 public:
  SuppressionParser(std::string_view text, const std::string& file) : rest_(text), file_(file) {}

  [[nodiscard]] Result<Suppressions> parse() {
    while (next_line()) {
      const std::string problem = open_line_ == 0 ? outside() : inside();
      if (!problem.empty()) return refuse(problem);
    }
    if (!problem_.empty()) return refuse(problem_);
    if (open_line_ != 0) {
      line_ = open_line_;
      column_ = open_column_;
      return refuse("no '}' closes this entry");
    }
    return std::move(parsed_);
  }

 private:
  [[nodiscard]] std::unexpected<Error> refuse(const std::string& why) const {
    return fail(ErrorKind::usage, fmt::format("{}:{}:{}", file_, line_, column_), why, kHint);
  }

  // The next line that says something, without blanks and comment. False: there is none, or a problem.
  [[nodiscard]] bool next_line() {
    while (!rest_.empty()) {
      ++line_;
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      std::string_view text = rest_.substr(0, end);
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      if (text.size() > Suppressions::kMaxLine) {
        column_ = Suppressions::kMaxLine + 1;
        problem_ = fmt::format("the line is longer than {} bytes", Suppressions::kMaxLine);
        return false;
      }
      for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte < ' ' && byte != '\t' && !(byte == '\r' && i + 1 == text.size())) || byte == 0x7f) {
          column_ = i + 1;
          problem_ = fmt::format("a control character (0x{:02x})", byte);
          return false;
        }
        // Within a word it belongs to a name: C++ numbers lambdas like this.
        if (byte == '#' && (i == 0 || kBlanks.find(text[i - 1]) != std::string_view::npos)) text = text.substr(0, i);
      }
      const std::size_t first = text.find_first_not_of(kBlanks);
      if (first == std::string_view::npos) continue;
      column_ = first + 1;
      text_ = text.substr(first, text.find_last_not_of(kBlanks) + 1 - first);
      return true;
    }
    return false;
  }

  // What is wrong with the line; empty: nothing.
  [[nodiscard]] std::string outside() {
    if (text_ == "}") return "this '}' closes no entry";
    if (text_ != "{") return "an entry begins with a '{' on a line of its own";
    open_line_ = line_;
    open_column_ = column_;
    name_.clear();
    entry_ = {};
    return {};
  }

  [[nodiscard]] std::string inside() {
    if (text_ == "{") return fmt::format("the entry of line {} is not closed by a '}}' before this '{{'", open_line_);
    if (text_ == "}") return close();
    if (name_.empty()) {
      name_ = text_;
      return {};
    }
    if (entry_.kind.empty()) {
      if (!is_kind_pattern(text_)) {
        return "the second line of an entry is a kind of finding, such as lock_order_inversion, or a pattern";
      }
      entry_.kind = text_;
      return {};
    }
    const std::size_t colon = text_.find(':');
    const std::string_view prefix = text_.substr(0, colon);
    std::vector<std::string>* patterns = prefix == "fun"    ? &entry_.functions
                                         : prefix == "lib"  ? &entry_.libraries
                                         : prefix == "lock" ? &entry_.locks
                                                            : nullptr;
    if (colon == std::string_view::npos || patterns == nullptr) return "a line begins with fun:, lib: or lock:";
    std::string_view pattern = text_.substr(colon + 1);
    pattern.remove_prefix(std::min(pattern.find_first_not_of(kBlanks), pattern.size()));
    if (pattern.empty()) return fmt::format("there is no pattern behind {}:", prefix);
    patterns->emplace_back(pattern);
    return {};
  }

  [[nodiscard]] std::string close() {
    if (name_.empty()) return "the entry is empty";
    if (entry_.kind.empty()) return "the entry has no kind of finding: its second line";
    const bool all_kinds = entry_.kind.find_first_not_of('*') == std::string::npos;
    if (all_kinds && entry_.functions.empty() && entry_.libraries.empty() && entry_.locks.empty()) {
      return "the entry would suppress every finding";
    }
    parsed_.entries_.push_back(std::move(entry_));
    parsed_.uses_.push_back({std::move(name_), 0});
    open_line_ = 0;
    return {};
  }

  std::string_view rest_;
  const std::string& file_;
  std::string_view text_;  // of this line
  std::size_t line_ = 0;
  std::size_t column_ = 1;
  std::string problem_;
  std::size_t open_line_ = 0;  // of the '{'; 0: outside of an entry
  std::size_t open_column_ = 0;
  std::string name_;
  Suppressions::Entry entry_;
  Suppressions parsed_;
};

Result<Suppressions> Suppressions::parse(std::string_view text, const std::string& file) {
  if (text.size() > kMaxFile) {
    return fail(ErrorKind::usage, fmt::format("{}:1:1", file), fmt::format("larger than {} bytes", kMaxFile), kHint);
  }
  return SuppressionParser(text, file).parse();
}

Result<Suppressions> Suppressions::read(const std::string& path) {
  const auto refuse = [&path](int error) {
    return fail(ErrorKind::usage, "cannot read suppressions from '" + path + "'", std::strerror(error));
  };
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return refuse(errno);
  // One byte more than is allowed tells that there is more.
  std::string text(kMaxFile + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse(errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return parse(text, path);
}

}  // namespace lockscope
