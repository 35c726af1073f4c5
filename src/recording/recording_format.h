// SPDX-License-Identifier: Apache-2.0
// The outer shape of a recording (docs/recording.md): magic and version, then frames of compressed bytes, each with its
// length and a checksum. All frames are one zstd stream, flushed at the end of each, so that a tick is told by what
// differs from those before it. For the writer and the reader; pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace lockscope {

inline constexpr std::array<std::uint8_t, 8> kRecordingMagic = {0x89, 'L', 'S', 'R', '\r', '\n', 0x1a, '\n'};
inline constexpr std::uint16_t kRecordingMajor = 1;  // another one cannot be read
inline constexpr std::uint16_t kRecordingMinor = 0;  // a later one only adds: kinds of frames, fields at the end
inline constexpr std::size_t kRecordingStart = kRecordingMagic.size() + 4;

enum class FrameKind : std::uint8_t { header = 1, tick = 2, padding = 3 };

struct Frame {
  std::uint8_t kind = 0;
  std::uint32_t length = 0;    // bytes that follow
  std::uint32_t unpacked = 0;  // bytes that they decompress to; padding: 0
  std::uint32_t checksum = 0;  // CRC-32C of the fields above as written, and of the bytes
};
inline constexpr std::size_t kFrameHead = 13;

[[nodiscard]] std::array<std::uint8_t, kFrameHead> bytes_of(const Frame& frame);
[[nodiscard]] Frame frame_of(std::span<const std::uint8_t, kFrameHead> bytes);
[[nodiscard]] std::uint32_t checksum_of(const Frame& frame, std::span<const std::uint8_t> bytes);

// What a reader may unpack or decode of one frame, by how much it has read of the file: a small file of a forger does
// not cost much memory. A writer that needs more pads the file.
inline constexpr std::uint64_t kJustifiedAtOnce = std::uint64_t{16} << 20;
inline constexpr std::uint64_t kJustifiedByByte = 512;
inline constexpr std::uint64_t kJustifiedAtMost = std::uint64_t{1} << 30;
[[nodiscard]] constexpr std::uint64_t justified_by(std::uint64_t file_bytes) {
  return std::min(kJustifiedAtOnce + kJustifiedByByte * file_bytes, kJustifiedAtMost);
}

inline constexpr int kWindowLog = 21;  // of zstd: how far back, in powers of two, it looks for what repeats

}  // namespace lockscope
