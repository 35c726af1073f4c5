// SPDX-License-Identifier: Apache-2.0
// A file whose lock functions the full level probes: a C library (glibc's libc or libpthread, musl), GLib or libgomp,
// which have locks of their own, or a program linked statically. Which functions, at which instruction, and which of the
// file's own functions call them.
// The file is hostile (elf_symbols.h). For lock_tracer only. Cost: 2 ms for a libc, once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lockscope/full_wire.h"
#include "source/probe_sites.h"

namespace lockscope {

struct TracedLibrary {
  std::vector<ProbeSite> takes;     // enum ls_full_call
  std::vector<ProbeSite> releases;
  std::vector<ProbeSite> lives;     // init, destroy, consistent
  ls_full_layout layout = LS_LAYOUT_GLIBC;
  ls_full_file places{};  // for the kernel
};

// Whether a file of this name is worth reading. A name is a reason to look, never a proof.
[[nodiscard]] bool may_be_traced_library(std::string_view path);

// `program`: linked statically, with its symbols. Nothing: it has none of the functions, or it cannot be told whose C
// library it is.
[[nodiscard]] std::optional<TracedLibrary> read_traced_library(int fd, bool program);

// A file that may be either: a library, or a program linked statically. Its functions by name, in the order of the file.
[[nodiscard]] std::optional<TracedLibrary> read_traced_file(int fd);
// The families of locks: "mutex", "rwlock", …
[[nodiscard]] std::string_view family_of_call(std::uint32_t call);
// What a call is called: "pthread_mutex_lock". For messages.
[[nodiscard]] std::vector<std::string_view> names_of_call(std::uint32_t call);

}  // namespace lockscope
