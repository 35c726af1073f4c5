// SPDX-License-Identifier: Apache-2.0
// The lock functions that the full level finds in a C library, and at which instruction of each it puts its probe.
// For doctor only. Cost: a few files read, 3 ms.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "lockscope/result.h"
#include "source/traced_library.h"

namespace lockscope {

struct LockFunctions {
  std::string file;
  std::string library;           // "glibc", "musl", "GLib", "libgomp"
  std::vector<ProbeSite> sites;  // by family, then as they lie in the file
};

// Of the libraries that programs of this host use. Empty: none of them could be read.
[[nodiscard]] std::vector<LockFunctions> lock_functions_of_host();
// Of one file: a library, or a program linked statically that has its symbols.
[[nodiscard]] Result<LockFunctions> lock_functions_of_file(const std::string& path);

// One line for each family: "mutex  pthread_mutex_lock +14 (jne), …".
[[nodiscard]] std::string to_text(const LockFunctions& functions);
[[nodiscard]] nlohmann::ordered_json to_json(const LockFunctions& functions);

}  // namespace lockscope
