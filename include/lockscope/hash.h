// SPDX-License-Identifier: Apache-2.0
// FNV-1a, 64 bits (Fowler, Noll, Vo): identities within a run and fingerprints of findings. Not for hostile keys: a
// forged collision merges two findings of the forger's own process and nothing else.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

namespace lockscope {

class Fnv1a {
 public:
  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T> Fnv1a& add(T value) {
    auto bits = static_cast<std::uint64_t>(value);
    for (int i = 0; i < 8; ++i, bits >>= 8) add_byte(static_cast<std::uint8_t>(bits));
    return *this;
  }
  Fnv1a& add(std::string_view text) {
    for (char c : text) add_byte(static_cast<std::uint8_t>(c));
    return add(text.size());
  }
  Fnv1a& add_byte(std::uint8_t byte) {
    hash_ = (hash_ ^ byte) * 0x100000001b3ull;
    return *this;
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325ull;
};

}  // namespace lockscope
