// SPDX-License-Identifier: Apache-2.0
// Shell patterns over hostile text: fnmatch(3) can take time exponential in the number of stars, this cannot. Bytes, no
// locale. "*" matches a "/" too. For suppressions. Pure. Cost: at worst the product of both lengths.
#pragma once

#include <string>
#include <string_view>

namespace lockscope {

// "*", "?", "[a-z]", "[!a-z]", and "\" before a byte that stands for itself. A "[" that nothing closes is one.
[[nodiscard]] bool matches_shell_pattern(std::string_view pattern, std::string_view text);

// A pattern that the text matches, written with printable ASCII alone. All else in the text may be any byte.
[[nodiscard]] std::string shell_pattern_for(std::string_view text);

}  // namespace lockscope
