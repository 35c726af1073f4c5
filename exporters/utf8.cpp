// SPDX-License-Identifier: Apache-2.0
#include "exporters/utf8.h"

#include <array>
#include <cassert>

namespace lockscope {

namespace {

// What may start a sequence, and the narrower range that its second byte then has.
struct Lead {
  unsigned char first;
  unsigned char last;
  std::size_t length;
  unsigned char second_low;
  unsigned char second_high;
};

constexpr std::array<Lead, 8> kLeads{{
    {0xc2, 0xdf, 2, 0x80, 0xbf},
    {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f},
    {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf},
    {0xf4, 0xf4, 4, 0x80, 0x8f},
}};

constexpr char32_t kReplacement = 0xfffd;

struct Span {
  char32_t first;
  char32_t last;
};

constexpr std::array<Span, 13> kHazards{{
    {0x0000, 0x001f},     // C0
    {0x007f, 0x009f},     // DEL, C1
    {0x00ad, 0x00ad},     // soft hyphen
    {0x061c, 0x061c},     // Arabic letter mark
    {0x180e, 0x180e},     // Mongolian vowel separator
    {0x200b, 0x200f},     // zero width, direction marks
    {0x2028, 0x202e},     // line and paragraph separator, direction embeddings and overrides
    {0x2060, 0x206f},     // word joiner, invisible operators, direction isolates
    {0xfdd0, 0xfdef},     // non-characters
    {0xfeff, 0xfeff},     // byte order mark
    {0xfff9, 0xfffb},     // interlinear annotation
    {0xe0000, 0xe007f},   // tags
    {0xf0000, 0x10ffff},  // private planes
}};

}  // namespace

Decoded decode_utf8(std::string_view text) {
  assert(!text.empty());
  const auto byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  for (const Lead& row : kLeads) {
    if (lead < row.first || lead > row.last) continue;
    char32_t code_point = lead & (0x7fu >> row.length);
    for (std::size_t index = 1; index < row.length; ++index) {
      const unsigned char low = index == 1 ? row.second_low : 0x80;
      const unsigned char high = index == 1 ? row.second_high : 0xbf;
      if (index >= text.size() || byte(index) < low || byte(index) > high) return {kReplacement, index, false};
      code_point = (code_point << 6) | (byte(index) & 0x3fu);
    }
    return {code_point, row.length, true};
  }
  return {kReplacement, 1, false};
}

bool is_hazardous(char32_t code_point) {
  if ((code_point & 0xfffe) == 0xfffe) return true;  // the last two of every plane are non-characters
  for (const Span& span : kHazards) {
    if (code_point < span.first) return false;
    if (code_point <= span.last) return true;
  }
  return false;
}

}  // namespace lockscope
