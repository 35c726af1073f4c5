// SPDX-License-Identifier: Apache-2.0
// Formats: fs/proc/array.c do_task_stat, fs/proc/task_mmu.c show_map_vma, fs/proc/fd.c seq_show.
#include "attribution/proc_text.h"

#include <algorithm>
#include <charconv>

namespace lockscope {

namespace {

template <class T>
std::optional<T> take_number(std::string_view& rest, int base = 10) {
  T number{};
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number, base);
  if (error != std::errc{}) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return number;
}

bool take(std::string_view& rest, std::string_view literal) {
  if (!rest.starts_with(literal)) return false;
  rest.remove_prefix(literal.size());
  return true;
}

template <class T>
std::optional<T> line_of(std::string_view text, std::string_view key) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::string_view line = text.substr(at, text.find('\n', at) - at);
    at += line.size() + 1;
    if (take(line, key)) return take_number<T>(line);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> start_ticks_of(std::string_view stat) {
  const std::size_t bracket = stat.rfind(')');
  if (bracket == std::string_view::npos) return std::nullopt;
  std::string_view rest = stat.substr(bracket + 1);
  for (int field = 3; field <= 22; ++field) {
    if (!take(rest, " ")) return std::nullopt;
    if (field < 22) rest.remove_prefix(std::min(rest.find(' '), rest.size()));
  }
  return take_number<std::uint64_t>(rest);
}

bool same_start(std::uint64_t ticks, std::uint64_t start_ns, std::uint64_t ticks_per_second) {
  if (start_ns == 0 || ticks_per_second == 0 || ticks_per_second > 1'000'000'000) return false;
  const std::uint64_t expected = start_ns / (1'000'000'000 / ticks_per_second);
  return ticks <= expected + 1 && expected <= ticks + 1;
}

std::optional<std::uint64_t> inode_of(std::string_view fdinfo) { return line_of<std::uint64_t>(fdinfo, "ino:\t"); }

std::optional<int> mount_id_of(std::string_view fdinfo) { return line_of<int>(fdinfo, "mnt_id:\t"); }

std::optional<MapsLine> parse_mapping(std::string_view line) {
  MapsLine mapping;
  const auto start = take_number<std::uint64_t>(line, 16);
  if (!start || !take(line, "-")) return std::nullopt;
  const auto end = take_number<std::uint64_t>(line, 16);
  if (!end || *end <= *start || !take(line, " ") || line.size() < 5) return std::nullopt;
  mapping.start = *start;
  mapping.end = *end;
  mapping.shared = line[3] == 's';
  line.remove_prefix(4);
  if (!take(line, " ") || !take_number<std::uint64_t>(line, 16) || !take(line, " ")) return std::nullopt;
  const auto major = take_number<std::uint32_t>(line, 16);
  if (!major || !take(line, ":")) return std::nullopt;
  const auto minor = take_number<std::uint32_t>(line, 16);
  if (!minor || !take(line, " ")) return std::nullopt;
  const auto inode = take_number<std::uint64_t>(line);
  if (!inode) return std::nullopt;
  mapping.file = {(std::uint64_t{*major} << 20) | *minor, *inode};
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  mapping.path = line;
  return mapping;
}

std::optional<std::string> path_to_show(const MapsLine& mapping) {
  if (mapping.file.ino == 0 || !mapping.path.starts_with('/') || mapping.path == "/dev/zero (deleted)") {
    return std::nullopt;
  }
  return std::string(mapping.path);
}

}  // namespace lockscope
