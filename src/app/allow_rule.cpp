// SPDX-License-Identifier: Apache-2.0
#include "app/allow_rule.h"

#include <array>
#include <string>
#include <utility>

namespace lockscope {
namespace {

using Key = std::pair<std::string_view, std::string AllowRule::*>;
constexpr std::array<Key, 3> kKeys{Key{"exe=", &AllowRule::exe}, Key{"path=", &AllowRule::path},
                                   Key{"unit=", &AllowRule::unit}};

const Key* key_of(std::string_view text) {
  for (const Key& key : kKeys) {
    if (text.starts_with(key.first)) return &key;
  }
  return nullptr;
}

// Where the pattern ends: at a comma before the next key.
std::size_t end_of_pattern(std::string_view text) {
  for (std::size_t at = text.find(','); at != std::string_view::npos; at = text.find(',', at + 1)) {
    if (key_of(text.substr(at + 1)) != nullptr) return at;
  }
  return text.size();
}

}  // namespace

Result<AllowRule> parse_allow_rule(std::string_view text) {
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorKind::usage, "'" + std::string(text) + "' is no rule", why,
                "exe=PATTERN, path=PATTERN and unit=PATTERN, joined by commas");
  };
  AllowRule rule;
  std::string_view rest = text;
  while (true) {
    const Key* key = key_of(rest);
    if (key == nullptr) return refuse("it has to begin with exe=, path= or unit=");
    rest.remove_prefix(key->first.size());
    const std::size_t end = end_of_pattern(rest);
    std::string& pattern = rule.*key->second;
    if (end == 0) return refuse("a pattern is empty");
    if (!pattern.empty()) return refuse("it says " + std::string(key->first) + " twice");
    pattern = rest.substr(0, end);
    if (end == rest.size()) return rule;
    rest.remove_prefix(end + 1);
  }
}

}  // namespace lockscope
