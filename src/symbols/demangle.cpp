// SPDX-License-Identifier: Apache-2.0
#include "symbols/demangle.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

namespace lockscope {
namespace {

constexpr std::uint64_t kMaxExpanded = std::uint64_t{1} << 22;
constexpr int kMaxPacks = 6;

// A bound of the text that the name stands for. A substitution (S0_) or a template parameter (T0_) repeats something
// that came earlier. The one numbered n was complete when a number of n or more was first used, so all later uses of it
// repeat at most what had been said by then. Itanium C++ ABI, 5.1.9 "Compression".
class Expansion {
 public:
  [[nodiscard]] static bool is_bounded(std::string_view name) {
    Expansion expansion;
    return expansion.measure(name);
  }

 private:
  struct FirstUse {
    std::uint64_t number;
    std::uint64_t size;
  };

  [[nodiscard]] bool measure(std::string_view name) {
    int packs = 0;
    for (std::size_t i = 0; i < name.size() && size_ <= kMaxExpanded; ++i) {
      ++size_;
      // Each element of a pack repeats the pattern; nested packs multiply.
      if (name.substr(i, 2) == "Dp") {
        if (++packs > kMaxPacks) return false;
        size_ *= 2;
      }
      if (name[i] != 'S' && name[i] != 'T') continue;
      std::size_t end = i + 1;
      std::uint64_t number = 0;
      for (; end < name.size() && digit(name[end]) >= 0; ++end) {
        number = std::min(number * 36 + static_cast<std::uint64_t>(digit(name[end])), kMaxExpanded);
      }
      if (end >= name.size() || name[end] != '_') continue;
      if (end > i + 1) ++number;  // "_" is the first, "0_" the second
      // Template parameters mean something else in each template: every one may be new.
      size_ += name[i] == 'S' ? repeated(number) : size_ / 2;
    }
    return size_ <= kMaxExpanded;
  }

  [[nodiscard]] std::uint64_t repeated(std::uint64_t number) {
    for (const FirstUse& use : first_uses_) {
      if (use.number >= number) return use.size;
    }
    first_uses_.push_back({number, size_});
    return size_;
  }

  static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'A' && c <= 'Z' ? c - 'A' + 10 : -1;
  }

  std::uint64_t size_ = 0;
  std::vector<FirstUse> first_uses_;  // numbers ascending
};

bool is_rust_hash(std::string_view text) {
  return text.size() == 19 && text.starts_with("::h") &&
         std::ranges::all_of(text.substr(3), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// rustc's legacy mangling (compiler/rustc_symbol_mangling/src/legacy.rs) writes what C++ names cannot have like this.
std::string without_rust_escapes(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kEscapes[] = {
      {"$LT$", "<"},  {"$GT$", ">"},  {"$LP$", "("},  {"$RP$", ")"},  {"$RF$", "&"},  {"$BP$", "*"},  {"$C$", ","},
      {"$u20$", " "}, {"$u27$", "'"}, {"$u5b$", "["}, {"$u5d$", "]"}, {"$u7b$", "{"}, {"$u7d$", "}"}, {"..", "::"}};
  std::string plain;
  while (!text.empty()) {
    const auto escape =
        std::ranges::find_if(kEscapes, [&](const auto& known) { return text.starts_with(known.first); });
    if (escape != std::end(kEscapes)) {
      plain += escape->second;
      text.remove_prefix(escape->first.size());
    } else {
      // An element that begins with an escape gets a "_" before it.
      if (!text.starts_with("_$")) plain += text.front();
      text.remove_prefix(1);
    }
  }
  return plain;
}

std::string cut(std::string text) {
  if (text.size() > kMaxDemangled) {
    text.resize(kMaxDemangled - 3);
    text += "...";
  }
  return text;
}

}  // namespace

std::string demangle(std::string_view symbol) {
  // Without its prefix the library would read a name as a type: "i" is int.
  if (!symbol.starts_with("_Z") || symbol.size() > kMaxMangled || !Expansion::is_bounded(symbol)) {
    return cut(std::string(symbol.substr(0, kMaxDemangled + 1)));
  }
  int status = -1;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(std::string(symbol).c_str(), nullptr, nullptr, &status), &std::free);
  if (status != 0 || text == nullptr) return cut(std::string(symbol.substr(0, kMaxDemangled + 1)));
  std::string_view plain = text.get();
  if (plain.size() > 19 && is_rust_hash(plain.substr(plain.size() - 19))) {
    return cut(without_rust_escapes(plain.substr(0, plain.size() - 19)));
  }
  return cut(std::string(plain.substr(0, kMaxDemangled + 1)));
}

}  // namespace lockscope
