// SPDX-License-Identifier: Apache-2.0
#include "exporters/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "exporters/catalog.h"

namespace lockscope {
namespace {

using namespace std::string_view_literals;

TEST(Utf8, DecodesEveryLength) {
  const auto decoded = [](std::string_view text) { return decode_utf8(text).code_point; };
  EXPECT_EQ(decoded("a"), U'a');
  EXPECT_EQ(decoded("\0b"sv), U'\0');
  EXPECT_EQ(decoded("\xc2\x80"), 0x80u);
  EXPECT_EQ(decoded("\xe0\xa0\x80"), 0x800u);
  EXPECT_EQ(decoded("\xed\x9f\xbf"), 0xd7ffu);
  EXPECT_EQ(decoded("\xf0\x90\x80\x80"), 0x10000u);
  EXPECT_EQ(decoded("\xf4\x8f\xbf\xbf"), 0x10ffffu);
}

TEST(Utf8, EveryCodePointComesBack) {
  for (char32_t code = 0; code <= 0x10ffff; ++code) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    std::string text;
    if (code < 0x80) {
      text += static_cast<char>(code);
    } else if (code < 0x800) {
      text += static_cast<char>(0xc0 | (code >> 6));
    } else if (code < 0x10000) {
      text += static_cast<char>(0xe0 | (code >> 12));
      text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    } else {
      text += static_cast<char>(0xf0 | (code >> 18));
      text += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
      text += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    }
    if (code >= 0x80) text += static_cast<char>(0x80 | (code & 0x3f));
    const Decoded decoded = decode_utf8(text + "x");
    const bool right = decoded.valid && decoded.code_point == code && decoded.length == text.size();
    if (!right) FAIL() << std::hex << static_cast<unsigned>(code);
  }
}

TEST(Utf8, RefusesWhatIsNotUtf8) {
  struct Case {
    std::string_view text;
    std::size_t length;  // of the part that one replacement stands for
  };
  for (const Case& c : {Case{"\x80", 1}, Case{"\xff", 1}, Case{"\xc0\x80", 1}, Case{"\xc1\xbf", 1}, Case{"\xc3", 1},
                        Case{"\xc3(", 1}, Case{"\xe0\x9f\xbf", 1}, Case{"\xed\xa0\x80", 1}, Case{"\xe2\x80", 2},
                        Case{"\xe2\x80(", 2}, Case{"\xf0\x8f\xbf\xbf", 1}, Case{"\xf4\x90\x80\x80", 1},
                        Case{"\xf5\x80\x80\x80", 1}, Case{"\xf0\x9f\x98", 3}}) {
    const Decoded decoded = decode_utf8(c.text);
    EXPECT_FALSE(decoded.valid) << testing::PrintToString(c.text);
    EXPECT_EQ(decoded.length, c.length) << testing::PrintToString(c.text);
  }
}

TEST(Utf8, KnowsWhatActsOnATerminalOrHides) {
  for (const char32_t hazard : {0x00,   0x1b,   0x1f,   0x7f,   0x80,   0x9b,   0x9f,   0xad,    0x200b,  0x200f,
                                0x2028, 0x202e, 0x2066, 0x2069, 0xfeff, 0xfffe, 0xffff, 0x1fffe, 0xe0041, 0x10ffff}) {
    EXPECT_TRUE(is_hazardous(hazard)) << std::hex << static_cast<unsigned>(hazard);
  }
  for (const char32_t harmless : {0x20, 0x7e, 0xa0, 0xe9, 0x2026, 0x2500, 0x4e2d, 0xfffd, 0x1f600}) {
    EXPECT_FALSE(is_hazardous(harmless)) << std::hex << static_cast<unsigned>(harmless);
  }
}

TEST(ExporterCatalog, MakesWhatItLists) {
  ASSERT_FALSE(exporter_catalog().empty());
  for (const ExporterEntry& entry : exporter_catalog()) EXPECT_NE(make_exporter(entry.name), nullptr) << entry.name;
  EXPECT_NE(make_exporter("json"), nullptr);
  EXPECT_NE(make_exporter("text"), nullptr);
  EXPECT_EQ(make_exporter("xml"), nullptr);
  EXPECT_EQ(make_exporter(""), nullptr);
}

}  // namespace
}  // namespace lockscope
