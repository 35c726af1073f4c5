// SPDX-License-Identifier: Apache-2.0
#include "source/expected_libraries.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <linux/limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "source/elf_symbols.h"
#include "source/traced_library.h"

namespace lockscope {
namespace {

constexpr int kMaxScripts = 4;  // BINPRM_BUF and recursion limits of the kernel are of this order

UniqueFd open_file(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&::free)> resolved(::realpath(path.c_str(), nullptr), &::free);
  return resolved ? resolved.get() : path;
}

std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

std::string own_libc() {
  Dl_info place{};
  return ::dladdr(reinterpret_cast<void*>(&::gnu_get_libc_version), &place) != 0 ? place.dli_fname : "";
}

// "#!/usr/bin/env python3": the interpreter, and through env the program that it will find.
std::optional<std::string> interpreter_of_script(int fd) {
  std::array<char, 256> text{};
  const ssize_t got = ::pread(fd, text.data(), text.size() - 1, 0);
  if (got < 3 || text[0] != '#' || text[1] != '!') return std::nullopt;
  std::string_view line(text.data() + 2, static_cast<std::size_t>(got) - 2);
  line = line.substr(0, line.find('\n'));
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  return std::string(line.substr(0, line.find_first_of(" \t")));
}

std::optional<std::string> loader_of(int fd) {
  Elf64_Ehdr header{};
  if (::pread(fd, &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header)) return std::nullopt;
  for (unsigned i = 0; i < std::min<unsigned>(header.e_phnum, 64); ++i) {
    Elf64_Phdr segment{};
    const auto at = static_cast<off_t>(header.e_phoff + i * sizeof segment);
    if (::pread(fd, &segment, sizeof segment, at) != static_cast<ssize_t>(sizeof segment)) break;
    if (segment.p_type != PT_INTERP) continue;
    std::array<char, PATH_MAX> path{};
    const std::size_t size = std::min<std::size_t>(segment.p_filesz, path.size() - 1);
    if (::pread(fd, path.data(), size, static_cast<off_t>(segment.p_offset)) != static_cast<ssize_t>(size)) break;
    return std::string(path.data());
  }
  return std::nullopt;
}

}  // namespace

std::vector<ExpectedLibrary> expected_libraries(const std::string& program) {
  std::vector<ExpectedLibrary> libraries;
  UniqueFd file = open_file(program);
  for (int i = 0; i < kMaxScripts && file; ++i) {
    const auto interpreter = interpreter_of_script(file.get());
    if (!interpreter) break;
    file = open_file(*interpreter);
  }
  if (!file || !read_elf(file.get())) return libraries;
  const auto loader = loader_of(file.get());
  if (!loader) {
    libraries.push_back({std::move(file), true});
    return libraries;
  }
  const std::string real_loader = real_path(*loader);
  std::vector<std::string> paths;
  if (may_be_traced_library(real_loader) || may_be_traced_library(*loader)) {
    paths.push_back(real_loader);  // musl's loader is its C library
  } else {
    const std::string libc = real_path(own_libc());
    for (const std::string& directory : {directory_of(real_loader), directory_of(libc)}) {
      for (const char* name : {"libpthread.so.0", "libc.so.6", "libglib-2.0.so.0", "libgomp.so.1"}) {
        paths.push_back(real_path(directory + name));
      }
    }
  }
  // In versions of glibc before 2.34 the functions of libc go on to those of libpthread.
  bool has_libpthread = false;
  std::vector<std::string> seen;
  for (const std::string& path : paths) {
    if (std::ranges::find(seen, path) != seen.end()) continue;
    seen.push_back(path);
    UniqueFd fd = open_file(path);
    if (!fd) continue;
    const std::string name = path.substr(path.rfind('/') + 1);
    if (name.starts_with("libpthread")) has_libpthread |= read_traced_library(fd.get(), false).has_value();
    if (name.starts_with("libc") && has_libpthread) continue;
    libraries.push_back({std::move(fd), false});
  }
  return libraries;
}

}  // namespace lockscope
