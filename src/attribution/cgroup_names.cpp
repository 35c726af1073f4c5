// SPDX-License-Identifier: Apache-2.0
// Formats: cgroups(7); systemd src/basic/cgroup-util.c and unit-name.c (252); runc libcontainer/cgroups/systemd (1.1);
// cri-o and podman cgroup managers; LXC 5 src/lxc/cgroups/cgfsng.c; the Kubernetes cgroup drivers.
#include "attribution/cgroup_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace lockscope {

namespace {

constexpr std::size_t kUnitNameMax = 255;  // UNIT_NAME_MAX
constexpr std::size_t kIdDigits = 64;
constexpr std::size_t kShortId = 12;

std::string_view take_until(std::string_view& rest, char separator) {
  const std::size_t end = rest.find(separator);
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return word;
}

std::vector<std::string_view> components_of(std::string_view cgroup) {
  std::vector<std::string_view> components;
  while (!cgroup.empty()) {
    const std::string_view component = take_until(cgroup, '/');
    if (!component.empty() && component != "." && component != "..") components.push_back(component);
  }
  return components;
}

bool is_unit_character(char c) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return letter || std::string_view(":-_.\\@").contains(c);
}

// A name that would clash with the kernel's own files in a cgroup carries a "_" in front (cg_escape).
std::string_view without_escape(std::string_view component) {
  if (component.starts_with('_')) component.remove_prefix(1);
  return component;
}

bool is_unit(std::string_view name, std::string_view suffix) {
  return name.size() > suffix.size() && name.size() <= kUnitNameMax && name.ends_with(suffix) && name.front() != '.' &&
         std::ranges::all_of(name, is_unit_character);
}

bool is_service_or_scope(std::string_view name) {
  constexpr std::array<std::string_view, 5> kSuffixes{".service", ".scope", ".socket", ".mount", ".swap"};
  return std::ranges::any_of(kSuffixes, [name](std::string_view suffix) { return is_unit(name, suffix); });
}

bool is_id(std::string_view text) {
  return text.size() == kIdDigits &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string short_id(std::string_view id) { return std::string(id.substr(0, kShortId)); }

// "docker-ID.scope" and the like; "libpod-ID" without the suffix where cgroupfs is the driver.
std::optional<std::string> runtime_scope(std::string_view component) {
  constexpr std::array<std::string_view, 5> kRuntimes{"docker-", "cri-containerd-", "crio-", "libpod-", "nerdctl-"};
  if (component.ends_with(".scope")) component.remove_suffix(std::string_view(".scope").size());
  for (const std::string_view runtime : kRuntimes) {
    if (component.starts_with(runtime) && is_id(component.substr(runtime.size()))) {
      return short_id(component.substr(runtime.size()));
    }
  }
  // containerd under systemd with a cgroupfs-style path: "SLICE:cri-containerd:ID".
  const std::size_t colon = component.rfind(':');
  if (colon != std::string_view::npos && component.substr(0, colon).contains(':') &&
      is_id(component.substr(colon + 1))) {
    return short_id(component.substr(colon + 1));
  }
  return std::nullopt;
}

// Below whom a bare id is that of a container.
bool holds_bare_ids(std::string_view parent) {
  constexpr std::array<std::string_view, 6> kParents{"docker", "ecs", "libpod_parent", "k8s.io", "moby", "actions_job"};
  return std::ranges::count(kParents, parent) > 0 || parent.starts_with("kubepods") || parent.starts_with("docker-ce");
}

// What systemd writes as \x2d is a "-" (unit_name_unescape). Broken escapes stay as they are.
std::string unescaped(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    unsigned value = 0;
    if (name.size() >= 4 && name.starts_with("\\x") &&
        std::from_chars(name.data() + 2, name.data() + 4, value, 16).ptr == name.data() + 4 && value > 0x20 &&
        value < 0x7f) {
      text += static_cast<char>(value);
      name.remove_prefix(4);
    } else {
      text += name.front();
      name.remove_prefix(1);
    }
  }
  return text;
}

std::optional<std::string_view> between(std::string_view text, std::string_view front, std::string_view back) {
  if (text.size() <= front.size() + back.size() || !text.starts_with(front) || !text.ends_with(back))
    return std::nullopt;
  return text.substr(front.size(), text.size() - front.size() - back.size());
}

// `next` is the component below, or empty.
std::optional<std::string> nspawn_machine(std::string_view component, std::string_view next) {
  if (const auto name = between(component, "systemd-nspawn@", ".service")) {
    if (next == "supervisor") return std::nullopt;
    return unescaped(*name);
  }
  const auto name = between(component, "machine-", ".scope");
  if (!name || next == "supervisor" || name->starts_with("qemu\\x2d")) return std::nullopt;
  return unescaped(*name);
}

std::optional<std::string> lxc_container(std::string_view component, std::string_view next) {
  if (const auto name = between(component, "lxc.payload.", "")) return std::string(*name);
  if ((component == "lxc" || component == "lxc.payload") && !next.empty()) return std::string(next);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> cgroup_of(std::string_view proc_cgroup) {
  std::optional<std::string_view> unified;
  std::optional<std::string_view> systemd;
  std::optional<std::string_view> controller;
  const auto says_more = [](const std::optional<std::string_view>& path) { return path && *path != "/"; };
  while (!proc_cgroup.empty()) {
    std::string_view line = take_until(proc_cgroup, '\n');
    const std::string_view hierarchy = take_until(line, ':');
    const std::string_view controllers = take_until(line, ':');
    if (!line.starts_with('/')) continue;
    constexpr std::string_view kRemoved = " (deleted)";
    if (line.ends_with(kRemoved)) line.remove_suffix(kRemoved.size());
    if (hierarchy == "0" && controllers.empty()) {
      unified = line;
    } else if (controllers == "name=systemd") {
      systemd = line;
    } else if (!says_more(controller)) {
      controller = line;
    }
  }
  for (const auto& path : {unified, systemd, controller}) {
    if (says_more(path)) return std::string(*path);
  }
  if (unified || systemd || controller) return "/";
  return std::nullopt;
}

std::optional<std::string> unit_of(std::string_view cgroup) {
  std::optional<std::string> slice;
  const std::vector<std::string_view> components = components_of(cgroup);
  for (auto component = components.rbegin(); component != components.rend(); ++component) {
    const std::string_view name = without_escape(*component);
    if (is_service_or_scope(name)) return std::string(name);
    if (!slice && is_unit(name, ".slice")) slice = std::string(name);
  }
  return slice;
}

std::optional<std::string> container_of(std::string_view cgroup) {
  const std::vector<std::string_view> components = components_of(cgroup);
  for (std::size_t index = components.size(); index-- > 0;) {
    const std::string_view component = components[index];
    const std::string_view next = index + 1 < components.size() ? components[index + 1] : std::string_view{};
    if (auto found = runtime_scope(component)) return found;
    if (is_id(component) &&
        std::any_of(components.begin(), components.begin() + static_cast<std::ptrdiff_t>(index), holds_bare_ids)) {
      return short_id(component);
    }
    if (auto found = nspawn_machine(component, next)) return found;
    if (auto found = lxc_container(component, next)) return found;
  }
  return std::nullopt;
}

}  // namespace lockscope
