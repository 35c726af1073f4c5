// SPDX-License-Identifier: Apache-2.0
#include "app/lock_functions.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "source/expected_libraries.h"

namespace lockscope {
namespace {

std::optional<LockFunctions> read(int fd, std::string path) {
  const auto library = read_traced_file(fd);
  if (!library) return std::nullopt;
  LockFunctions found{std::move(path), library->layout == LS_LAYOUT_MUSL ? "musl" : "glibc", {}};
  for (const auto* sites : {&library->takes, &library->releases, &library->lives}) {
    found.sites.insert(found.sites.end(), sites->begin(), sites->end());
  }
  std::ranges::sort(found.sites, {}, [](const ProbeSite& site) { return std::pair(site.call >> 4, site.entry); });
  const std::string_view first = found.sites.front().name;
  if (first.starts_with("g_")) found.library = "GLib";
  if (first.starts_with("omp_")) found.library = "libgomp";
  return found;
}

std::string path_of(int fd) {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), path.data(), path.size());
  return std::string(path.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
}

}  // namespace

std::vector<LockFunctions> lock_functions_of_host() {
  std::vector<LockFunctions> all;
  for (const ExpectedLibrary& library : expected_libraries("/proc/self/exe")) {
    if (auto found = read(library.fd.get(), path_of(library.fd.get()))) all.push_back(*std::move(found));
  }
  return all;
}

Result<LockFunctions> lock_functions_of_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail(ErrorKind::usage, "cannot read " + path, std::strerror(errno));
  auto found = read(fd.get(), path);
  if (!found) {
    return fail(ErrorKind::unsupported, "no lock functions in " + path,
                "it is no C library, and no x86-64 program linked statically that has its symbols");
  }
  return *std::move(found);
}

std::string to_text(const LockFunctions& functions) {
  std::string text =
      fmt::format("lock functions of {} in {}, where they are probed:", functions.library, functions.file);
  std::string_view family;
  for (const ProbeSite& site : functions.sites) {
    const bool begins = std::exchange(family, family_of_call(site.call)) != family;
    text += begins ? fmt::format("\n  {:<14}  ", family) : ", ";
    text += fmt::format("{} +{} ({})", site.name, site.offset - site.entry,
                        site.instruction.empty() ? "stepped over" : site.instruction);
  }
  return text + "\n";
}

nlohmann::ordered_json to_json(const LockFunctions& functions) {
  nlohmann::ordered_json out{{"file", functions.file}, {"library", functions.library}};
  for (const ProbeSite& site : functions.sites) {
    nlohmann::ordered_json function{{"name", site.name},
                                    {"family", family_of_call(site.call)},
                                    {"entry", site.entry},
                                    {"site", site.offset - site.entry},
                                    {"emulated", !site.instruction.empty()}};
    if (!site.instruction.empty()) function["instruction"] = site.instruction;
    out["functions"].push_back(std::move(function));
  }
  return out;
}

}  // namespace lockscope
