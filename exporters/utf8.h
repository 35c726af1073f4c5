// SPDX-License-Identifier: Apache-2.0
// Decodes UTF-8 that somebody else wrote, and says which characters must not reach a reader as they are.
// Assumes nothing of the bytes. For the exporters; both calls are pure and cost nanoseconds.
#pragma once

#include <cstddef>
#include <string_view>

namespace lockscope {

struct Decoded {
  char32_t code_point = 0;
  std::size_t length = 0;  // bytes used; at least 1
  bool valid = false;      // false: `length` bytes are not UTF-8 and stand for one U+FFFD
};

// The first character of `text`, which must not be empty. Overlong forms, surrogates and numbers beyond U+10FFFF are
// invalid; a broken sequence ends before the first byte that cannot belong to it (Unicode 15, section 3.9, table 3-7).
[[nodiscard]] Decoded decode_utf8(std::string_view text);

// True for what acts on a terminal or hides from the eye: C0, DEL and C1 controls, line separators, direction overrides
// and isolates (CVE-2021-42574), zero-width and tag characters, non-characters.
[[nodiscard]] bool is_hazardous(char32_t code_point);

}  // namespace lockscope
