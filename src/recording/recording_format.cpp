// SPDX-License-Identifier: Apache-2.0
#include "recording/recording_format.h"

namespace lockscope {
namespace {

// CRC-32C (Castagnoli), reflected: RFC 3720, appendix B.4.
constexpr std::array<std::uint32_t, 256> kTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    table[byte] = crc;
  }
  return table;
}();

std::uint32_t add(std::uint32_t crc, std::span<const std::uint8_t> bytes) {
  for (const std::uint8_t byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ byte) & 0xff];
  return crc;
}

void put(std::uint8_t* out, std::uint32_t value) {
  for (int i = 0; i < 4; ++i, value >>= 8) out[i] = static_cast<std::uint8_t>(value);
}

std::uint32_t get(const std::uint8_t* bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | bytes[i];
  return value;
}

}  // namespace

std::array<std::uint8_t, kFrameHead> bytes_of(const Frame& frame) {
  std::array<std::uint8_t, kFrameHead> bytes{frame.kind};
  put(&bytes[1], frame.length);
  put(&bytes[5], frame.unpacked);
  put(&bytes[9], frame.checksum);
  return bytes;
}

Frame frame_of(std::span<const std::uint8_t, kFrameHead> bytes) {
  return {.kind = bytes[0], .length = get(&bytes[1]), .unpacked = get(&bytes[5]), .checksum = get(&bytes[9])};
}

std::uint32_t checksum_of(const Frame& frame, std::span<const std::uint8_t> bytes) {
  const auto head = bytes_of(frame);
  const std::uint32_t crc = add(~std::uint32_t{0}, std::span(head).first(kFrameHead - 4));
  return ~add(crc, bytes);
}

}  // namespace lockscope
