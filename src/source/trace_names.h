// SPDX-License-Identifier: Apache-2.0
// The words that stand for enumerators in a text trace. For trace_writer and trace_parser.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "lockscope/raw_sample.h"
#include "lockscope/source.h"

namespace lockscope::trace {

template <class Enum>
struct Names;

template <>
struct Names<ThreadState> {
  static constexpr std::array<std::pair<ThreadState, std::string_view>, 4> all = {{
      {ThreadState::running, "running"},
      {ThreadState::blocked, "blocked"},
      {ThreadState::stopped, "stopped"},
      {ThreadState::exiting, "exiting"},
  }};
};

template <>
struct Names<CodePlace> {
  static constexpr std::array<std::pair<CodePlace, std::string_view>, 7> all = {{
      {CodePlace::unknown, "unknown"},
      {CodePlace::libc, "libc"},
      {CodePlace::libc_syscall, "libc_syscall"},
      {CodePlace::libc_private_lock, "libc_private_lock"},
      {CodePlace::libc_lock, "libc_lock"},
      {CodePlace::musl, "musl"},
      {CodePlace::other, "other"},
  }};
};

template <>
struct Names<LibcKind> {
  static constexpr std::array<std::pair<LibcKind, std::string_view>, 3> all = {{
      {LibcKind::unknown, "unknown"},
      {LibcKind::glibc, "glibc"},
      {LibcKind::musl, "musl"},
  }};
};

template <>
struct Names<FileLockKind> {
  static constexpr std::array<std::pair<FileLockKind, std::string_view>, 3> all = {{
      {FileLockKind::flock, "flock"},
      {FileLockKind::posix, "posix"},
      {FileLockKind::ofd, "ofd"},
  }};
};

template <>
struct Names<ProcessMemory::Mapping> {
  static constexpr std::array<std::pair<ProcessMemory::Mapping, std::string_view>, 3> all = {{
      {ProcessMemory::Mapping::mapped, "mapped"},
      {ProcessMemory::Mapping::not_mapped, "not_mapped"},
      {ProcessMemory::Mapping::unknown, "unknown"},
  }};
};

template <class Enum>
constexpr std::string_view name_of(Enum value) {
  for (const auto& [enumerator, name] : Names<Enum>::all) {
    if (enumerator == value) return name;
  }
  return "unknown";
}

template <class Enum>
constexpr std::optional<Enum> named(std::string_view text) {
  for (const auto& [enumerator, name] : Names<Enum>::all) {
    if (name == text) return enumerator;
  }
  return std::nullopt;
}

// What a string shows unescaped.
constexpr bool is_plain(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("._:/@+,-").find(c) != std::string_view::npos;
}

}  // namespace lockscope::trace
