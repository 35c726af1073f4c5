// SPDX-License-Identifier: Apache-2.0
// What a person calls a function whose symbol is mangled. Symbols are hostile: a name of a few hundred bytes can stand
// for more text than a computer holds, so names that may are left as they are. The result is raw and at most
// kMaxDemangled long. Pure. For trace_names. Cost: 1 us; at worst some 50 ms.
#pragma once

#include <string>
#include <string_view>

namespace lockscope {

inline constexpr std::size_t kMaxMangled = 4096;
inline constexpr std::size_t kMaxDemangled = 1024;

// C++ (Itanium ABI), and Rust's older scheme, which is built on it, without its hash. What is not understood comes back
// as it is.
[[nodiscard]] std::string demangle(std::string_view symbol);

}  // namespace lockscope
