// SPDX-License-Identifier: Apache-2.0
// Which files a program that is about to be run will take its lock functions from: its C library, GLib, libgomp, or
// itself where it is linked statically. A guess that is put right once it runs. For lock_tracer only.
// Cost: a few files opened, 1 ms.
#pragma once

#include <string>
#include <vector>

#include "source/unique_fd.h"

namespace lockscope {

struct ExpectedLibrary {
  UniqueFd fd;
  bool program = false;  // the program itself
};

// `program`: an absolute path; a script's interpreter is followed. What cannot be opened is left out.
[[nodiscard]] std::vector<ExpectedLibrary> expected_libraries(const std::string& program);

}  // namespace lockscope
