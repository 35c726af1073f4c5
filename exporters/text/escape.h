// SPDX-License-Identifier: Apache-2.0
// Makes strings of watched processes safe to print: bytes that are not UTF-8 and C0 controls become \xNN, characters
// that act on a terminal or hide from the eye become \u{NN}. A backslash stays as it is (unit names are full of them):
// the result is to be read, not to be parsed back. Assumes nothing. For the text exporter and for messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lockscope {

[[nodiscard]] std::string escape(std::string_view raw);

// Escaped, and no wider than `columns`: the end is replaced by "…". Never cuts a character or an escape in two.
[[nodiscard]] std::string escape_to(std::string_view raw, std::size_t columns);

// The same for paths: the middle is replaced, the last component survives as far as it can.
[[nodiscard]] std::string escape_path_to(std::string_view raw, std::size_t columns);

// Columns of text that is valid UTF-8: its code points. Wide and combining characters are counted as one.
[[nodiscard]] std::size_t width_of(std::string_view text);

}  // namespace lockscope
