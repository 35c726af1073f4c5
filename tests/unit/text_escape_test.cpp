// SPDX-License-Identifier: Apache-2.0
#include "exporters/text/escape.h"

#include <gtest/gtest.h>

#include <string>

#include "exporters/text/duration.h"
#include "exporters/utf8.h"

namespace lockscope {
namespace {

TEST(Escape, LeavesReadableTextAlone) {
  EXPECT_EQ(escape(""), "");
  EXPECT_EQ(escape("worker 1"), "worker 1");
  EXPECT_EQ(escape("café 漢字 😀"), "café 漢字 😀");
  EXPECT_EQ(escape("app-foo\\x2dbar.service"), "app-foo\\x2dbar.service");
}

TEST(Escape, ShowsWhatActsOnATerminal) {
  EXPECT_EQ(escape("a\x1b[31mb"), "a\\x1b[31mb");
  EXPECT_EQ(escape("a\nb\r\tc"), "a\\x0ab\\x0d\\x09c");
  EXPECT_EQ(escape(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(escape("\x7f"), "\\x7f");
  EXPECT_EQ(escape("\xc2\x9b"
                   "31m"),
            "\\u{9b}31m");
}

TEST(Escape, ShowsWhatHidesOrTurnsAround) {
  EXPECT_EQ(escape("a\u202egpj.exe"), "a\\u{202e}gpj.exe");
  EXPECT_EQ(escape("\u2066x\u2069"), "\\u{2066}x\\u{2069}");
  EXPECT_EQ(escape("ro\u200bot"), "ro\\u{200b}ot");
  EXPECT_EQ(escape("a\u2028b"), "a\\u{2028}b");
  EXPECT_EQ(escape("\U000e0041"), "\\u{e0041}");
}

TEST(Escape, ShowsBytesThatAreNotUtf8) {
  EXPECT_EQ(escape("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(escape("\x9b"
                   "31m"),
            "\\x9b31m");  // C1 as one byte
  EXPECT_EQ(escape("a\xe2\x80"), "a\\xe2\\x80");
  EXPECT_EQ(escape("\xed\xa0\x80"), "\\xed\\xa0\\x80");
}

TEST(Escape, AnyBytesComeOutPrintable) {
  std::uint32_t state = 3;
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (int i = 0; i < 16; ++i) {
      state = state * 1664525 + 1013904223;
      bytes += static_cast<char>(state >> 24);
    }
    const std::size_t columns = state % 20;
    for (const std::string& text : {escape(bytes), escape_to(bytes, columns), escape_path_to(bytes, columns)}) {
      std::string_view rest = text;
      while (!rest.empty()) {
        const Decoded next = decode_utf8(rest);
        if (!next.valid || is_hazardous(next.code_point)) FAIL() << testing::PrintToString(text);
        rest.remove_prefix(next.length);
      }
    }
    ASSERT_LE(width_of(escape_to(bytes, columns)), columns);
    ASSERT_LE(width_of(escape_path_to(bytes, columns)), columns);
  }
}

TEST(Escape, CutsAtTheEnd) {
  EXPECT_EQ(escape_to("worker", 6), "worker");
  EXPECT_EQ(escape_to("worker", 5), "work…");
  EXPECT_EQ(escape_to("ééééé", 3), "éé…");
  EXPECT_EQ(escape_to("worker", 1), "…");
  EXPECT_EQ(escape_to("worker", 0), "");
  EXPECT_EQ(escape_to("ab\x1b"
                      "cd",
                      5),
            "ab…");  // an escape is whole or not there
  EXPECT_EQ(escape_to("a\x1b"
                      "bcd",
                      6),
            "a\\x1b…");
}

TEST(Escape, CutsPathsInTheMiddle) {
  EXPECT_EQ(escape_path_to("/usr/bin/order", 14), "/usr/bin/order");
  EXPECT_EQ(escape_path_to("/usr/lib/application/bin/order", 15), "/usr/…bin/order");
  EXPECT_EQ(escape_path_to("/a", 1), "…");
  EXPECT_EQ(escape_path_to("/a", 0), "");
  EXPECT_EQ(width_of(escape_path_to(std::string(5000, 'x'), 40)), 40u);
}

TEST(Width, CountsCodePoints) {
  EXPECT_EQ(width_of(""), 0u);
  EXPECT_EQ(width_of("abc"), 3u);
  EXPECT_EQ(width_of("é…😀"), 3u);
}

TEST(Duration, IsForPeople) {
  constexpr std::uint64_t ms = 1'000'000;
  constexpr std::uint64_t s = 1'000 * ms;
  EXPECT_EQ(human_duration(0), "<1ms");
  EXPECT_EQ(human_duration(ms - 1), "<1ms");
  EXPECT_EQ(human_duration(ms), "1ms");
  EXPECT_EQ(human_duration(250 * ms), "250ms");
  EXPECT_EQ(human_duration(s - 1), "999ms");
  EXPECT_EQ(human_duration(s), "1.0s");
  EXPECT_EQ(human_duration(2'390 * ms), "2.3s");
  EXPECT_EQ(human_duration(60 * s - 1), "59.9s");
  EXPECT_EQ(human_duration(60 * s), "1m00s");
  EXPECT_EQ(human_duration(252 * s), "4m12s");
  EXPECT_EQ(human_duration(3'600 * s - 1), "59m59s");
  EXPECT_EQ(human_duration(11'100 * s), "3h05m");
  EXPECT_EQ(human_duration(24 * 3'600 * s - 1), "23h59m");
  EXPECT_EQ(human_duration(24 * 3'600 * s), "1d00h");
  EXPECT_EQ(human_duration(51 * 3'600 * s), "2d03h");
  EXPECT_EQ(human_duration(~std::uint64_t{0}), "213503d23h");
}

}  // namespace
}  // namespace lockscope
