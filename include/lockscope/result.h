// SPDX-License-Identifier: Apache-2.0
// How set-up and input errors travel: as values, up to main, which prints one line and chooses the exit status.
// Losses while running are not errors: they are counted in Coverage (raw_sample.h).
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace lockscope {

enum class ErrorKind {
  usage,        // wrong command line, wrong input file, a pid that is not there: exit status 2
  unsupported,  // not permitted, or the kernel lacks it: exit status 3
  failed,       // anything else that kept lockscope from its work: exit status 3
};

// One line for a person: what failed, why, and what to do about it.
struct Error {
  ErrorKind kind = ErrorKind::failed;
  std::string what;
  std::string why;
  std::string hint;

  [[nodiscard]] std::string line() const {
    std::string text = what;
    if (!why.empty()) text += ": " + why;
    if (!hint.empty()) text += " (" + hint + ")";
    return text;
  }
  [[nodiscard]] int exit_status() const { return kind == ErrorKind::usage ? 2 : 3; }
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string what, std::string why = {},
                                                 std::string hint = {}) {
  return std::unexpected(Error{kind, std::move(what), std::move(why), std::move(hint)});
}

}  // namespace lockscope
