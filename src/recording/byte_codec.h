// SPDX-License-Identifier: Apache-2.0
// Values as bytes: an encoder and a decoder with the same calls, so that one template says how a structure is written
// and how it is read (tick_codec.cpp). Numbers are LEB128, signed ones in zigzag; each value has exactly one form.
// The decoder believes nothing: once something is wrong, ok() is false and all further values are empty. Both count
// the memory that the values take when decoded; the decoder stops at its allowance, the encoder's count tells the
// writer what a reader must allow. Cost: 2-5 ns a number.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace lockscope {

inline constexpr std::size_t kLongestText = std::size_t{1} << 16;
inline constexpr std::size_t kMapNodeBytes = 64;  // beside the value: tree links and the allocator's

inline constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
inline constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

class ByteEncoder {
 public:
  static constexpr bool kReads = false;

  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {buffer_.data(), used_}; }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::uint64_t memory() const { return memory_; }
  void clear() {
    used_ = 0;
    memory_ = 0;
    ok_ = true;
  }

  void require(bool condition) { ok_ = ok_ && condition; }
  void charge(std::uint64_t bytes) { memory_ += bytes; }

  void natural(std::unsigned_integral auto value) { put(value); }
  void integer(std::signed_integral auto value) { put(zigzag(value)); }
  template <std::integral T>
  void near(T value, T base) {
    put(zigzag(static_cast<std::int64_t>(static_cast<std::uint64_t>(value) - static_cast<std::uint64_t>(base))));
  }
  template <std::same_as<bool>... B>
  void flags(B... flag) {
    std::uint64_t bits = 0;
    int at = 0;
    ((bits |= static_cast<std::uint64_t>(flag) << at++), ...);
    put(bits);
  }
  template <class E>
  requires std::is_enum_v<E>
  void choice(E value, E) { put(static_cast<std::uint64_t>(value)); }
  void text(const std::string& value) {
    require(value.size() <= kLongestText);
    put(value.size());
    append({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
    charge(value.size());
  }
  void blob(const std::vector<std::uint8_t>& value, std::size_t longest) {
    require(value.size() <= longest);
    put(value.size());
    append(value);
    charge(value.size());
  }
  template <std::size_t N>
  void block(const std::array<std::uint8_t, N>& value) {
    append(value);
  }
  template <class T, class Code>
  void maybe(const std::optional<T>& value, Code code) {
    put(value ? 1 : 0);
    if (value) code(*value);
  }
  // code(element, the element before or an empty one)
  template <class T, class Code>
  void list(const std::vector<T>& values, Code code) {
    put(values.size());
    charge(values.size() * sizeof(T));
    const T none{};
    const T* before = &none;
    for (const T& value : values) {
      code(value, *before);
      before = &value;
    }
  }
  void truths(const std::vector<bool>& values) {
    put(values.size());
    charge(values.size());
    for (const bool value : values) put(value ? 1 : 0);
  }
  // code(key, value, the key before or an empty one)
  template <class K, class V, class Code>
  void map(const std::map<K, V>& values, Code code) {
    put(values.size());
    charge(values.size() * (sizeof(std::pair<K, V>) + kMapNodeBytes));
    const K none{};
    const K* before = &none;
    for (const auto& [key, value] : values) {
      code(key, value, *before);
      before = &key;
    }
  }

 private:
  void reserve(std::size_t more) {
    if (buffer_.size() - used_ < more) buffer_.resize(std::max(2 * buffer_.size(), used_ + more + 4096));
  }
  void put(std::uint64_t value) {
    reserve(10);
    while (value >= 0x80) {
      buffer_[used_++] = static_cast<std::uint8_t>(value | 0x80);
      value >>= 7;
    }
    buffer_[used_++] = static_cast<std::uint8_t>(value);
  }
  void append(std::span<const std::uint8_t> bytes) {
    if (bytes.empty()) return;
    reserve(bytes.size());
    std::memcpy(buffer_.data() + used_, bytes.data(), bytes.size());
    used_ += bytes.size();
  }

  std::vector<std::uint8_t> buffer_;
  std::size_t used_ = 0;
  std::uint64_t memory_ = 0;
  bool ok_ = true;
};

class ByteDecoder {
 public:
  static constexpr bool kReads = true;

  // `bytes` must outlive it. `allowance`: decoded bytes at most.
  ByteDecoder(std::span<const std::uint8_t> bytes, std::uint64_t allowance) : bytes_(bytes), allowance_(allowance) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return ok_ && bytes_.empty(); }

  void require(bool condition) {
    if (condition) return;
    ok_ = false;
    bytes_ = {};
  }
  void charge(std::uint64_t bytes) {
    require(bytes <= allowance_);
    allowance_ -= ok_ ? bytes : 0;
  }

  template <std::unsigned_integral T>
  void natural(T& value) {
    const std::uint64_t got = take();
    require(got <= std::numeric_limits<T>::max());
    value = ok_ ? static_cast<T>(got) : T{};
  }
  template <std::signed_integral T>
  void integer(T& value) {
    value = narrow<T>(unzigzag(take()));
  }
  template <std::integral T>
  void near(T& value, T base) {
    const std::uint64_t got = static_cast<std::uint64_t>(base) + static_cast<std::uint64_t>(unzigzag(take()));
    if constexpr (std::is_signed_v<T>) {
      value = narrow<T>(static_cast<std::int64_t>(got));
    } else {
      require(got <= std::numeric_limits<T>::max());
      value = ok_ ? static_cast<T>(got) : T{};
    }
  }
  template <std::same_as<bool>... B>
  void flags(B&... flag) {
    std::uint64_t bits = take();
    require(bits < std::uint64_t{1} << sizeof...(B));
    ((flag = bits & 1, bits >>= 1), ...);
  }
  template <class E>
  requires std::is_enum_v<E>
  void choice(E& value, E last) {
    const std::uint64_t got = take();
    require(got <= static_cast<std::uint64_t>(last));
    value = ok_ ? static_cast<E>(got) : E{};
  }
  void text(std::string& value) {
    const auto got = take_bytes(kLongestText);
    value.assign(reinterpret_cast<const char*>(got.data()), got.size());
  }
  void blob(std::vector<std::uint8_t>& value, std::size_t longest) {
    const auto got = take_bytes(longest);
    value.assign(got.begin(), got.end());
  }
  template <std::size_t N>
  void block(std::array<std::uint8_t, N>& value) {
    require(bytes_.size() >= N);
    if (!ok_) return;
    std::memcpy(value.data(), bytes_.data(), N);
    bytes_ = bytes_.subspan(N);
  }
  template <class T, class Code>
  void maybe(std::optional<T>& value, Code code) {
    value.reset();
    bool there = false;
    flags(there);
    if (there) code(value.emplace());
  }
  template <class T, class Code>
  void list(std::vector<T>& values, Code code) {
    values.clear();
    const std::size_t count = take_count(sizeof(T));
    values.reserve(count);
    const T none{};
    for (std::size_t i = 0; i < count && ok_; ++i) {
      T& value = values.emplace_back();
      code(value, i == 0 ? none : values[i - 1]);
    }
  }
  void truths(std::vector<bool>& values) {
    values.assign(take_count(1), false);
    for (std::size_t i = 0; i < values.size() && ok_; ++i) {
      bool value = false;
      flags(value);
      values[i] = value;
    }
  }
  template <class K, class V, class Code>
  void map(std::map<K, V>& values, Code code) {
    values.clear();
    const std::size_t count = take_count(sizeof(std::pair<K, V>) + kMapNodeBytes);
    const K none{};
    for (std::size_t i = 0; i < count && ok_; ++i) {
      K key{};
      V value{};
      code(key, value, values.empty() ? none : values.rbegin()->first);
      require(values.empty() || values.rbegin()->first < key);
      if (ok_) values.emplace_hint(values.end(), std::move(key), std::move(value));
    }
  }

  // Of elements that take a byte each at least, and `bytes_each` when decoded.
  void count(std::size_t& value, std::size_t bytes_each) { value = take_count(bytes_each); }

 private:
  std::uint64_t take() {
    if (!bytes_.empty() && bytes_.front() < 0x80) [[likely]] {
      const std::uint64_t value = bytes_.front();
      bytes_ = bytes_.subspan(1);
      return value;
    }
    return take_long();
  }
  std::uint64_t take_long() {
    std::uint64_t value = 0;
    for (std::size_t at = 0; at < bytes_.size() && at < 10; ++at) {
      const std::uint64_t byte = bytes_[at];
      value |= (byte & 0x7f) << (7 * at);
      if (byte >= 0x80) continue;
      if (byte == 0 || (at == 9 && byte > 1)) break;  // longer than need be, or than 64 bits
      bytes_ = bytes_.subspan(at + 1);
      return value;
    }
    require(false);
    return 0;
  }
  std::size_t take_count(std::size_t bytes_each) {
    const std::uint64_t count = take();
    require(count <= bytes_.size());
    if (ok_) charge(count * bytes_each);
    return ok_ ? static_cast<std::size_t>(count) : 0;
  }
  std::span<const std::uint8_t> take_bytes(std::size_t longest) {
    const std::uint64_t size = take();
    require(size <= longest && size <= bytes_.size());
    if (ok_) charge(size);
    if (!ok_) return {};
    const auto got = bytes_.first(static_cast<std::size_t>(size));
    bytes_ = bytes_.subspan(got.size());
    return got;
  }
  template <std::signed_integral T>
  T narrow(std::int64_t got) {
    require(got >= std::numeric_limits<T>::min() && got <= std::numeric_limits<T>::max());
    return ok_ ? static_cast<T>(got) : T{};
  }

  std::span<const std::uint8_t> bytes_;
  std::uint64_t allowance_;
  bool ok_ = true;
};

}  // namespace lockscope
