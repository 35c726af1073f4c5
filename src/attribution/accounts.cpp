// SPDX-License-Identifier: Apache-2.0
#include "attribution/accounts.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "attribution/proc_directory.h"

namespace lockscope {
namespace {

constexpr std::size_t kRemembered = 4096;
constexpr std::size_t kMembers = 64;  // kept of a group: enough to know that it has some, and to name a few
constexpr std::size_t kEntryLimit = 1 << 20;
constexpr std::size_t kPasswdLimit = 16 << 20;
constexpr std::uint32_t kFirstOrdinary = 1000;

// One entry of the name service, by number: `ask` is getpwuid_r or getgrgid_r. The buffer is what the entry points to.
template <class Entry, class Ask>
bool look_up(std::uint32_t number, Entry& entry, std::vector<char>& buffer, Ask ask) {
  Entry* found = nullptr;
  int error = 0;
  while ((error = ask(number, &entry, buffer.data(), buffer.size(), &found)) == ERANGE) {
    if (buffer.size() >= kEntryLimit) return false;
    buffer.resize(buffer.size() * 2);
  }
  return error == 0 && found != nullptr;
}

std::optional<std::string> text_of(const char* name) {
  return name == nullptr || *name == '\0' ? std::nullopt : std::optional<std::string>(name);
}

std::string_view take_field(std::string_view& rest) {
  const std::size_t end = rest.find(':');
  const std::string_view field = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return field;
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::uint32_t> uid_min_of(std::string_view login_defs) {
  constexpr std::string_view kKey = "UID_MIN";
  while (!login_defs.empty()) {
    const std::size_t end = login_defs.find('\n');
    std::string_view line = login_defs.substr(0, end);
    login_defs.remove_prefix(end == std::string_view::npos ? login_defs.size() : end + 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.starts_with(kKey)) continue;
    line.remove_prefix(kKey.size());
    const std::size_t value = line.find_first_not_of(" \t");
    if (value == 0 || value == std::string_view::npos) continue;
    line.remove_prefix(value);
    return number(line.substr(0, line.find_first_of(" \t\r")));
  }
  return std::nullopt;
}

std::optional<std::string> Accounts::user(std::uint32_t uid) {
  if (const auto known = users_.find(uid); known != users_.end()) return known->second;
  if (users_.size() >= kRemembered) return std::nullopt;
  std::vector<char> buffer(1024);
  passwd entry{};
  auto& name = users_[uid];
  if (look_up(uid, entry, buffer, ::getpwuid_r)) name = text_of(entry.pw_name);
  return name;
}

void Accounts::read_passwd() {
  by_first_group_.emplace();
  ProcDirectory("/etc").lines("passwd", kPasswdLimit, [this](std::string_view line) {
    const std::string_view name = take_field(line);
    take_field(line);
    const auto uid = number(take_field(line));
    const auto gid = number(take_field(line));
    if (name.empty() || !uid || !gid) return;
    by_first_group_->emplace(*gid, *uid);
    numbers_.emplace(name, *uid);
  });
}

const GroupFacts& Accounts::group(std::uint32_t gid) {
  static const GroupFacts unknown;
  if (const auto known = groups_.find(gid); known != groups_.end()) return known->second;
  if (groups_.size() >= kRemembered) return unknown;
  if (!by_first_group_) read_passwd();
  GroupFacts& facts = groups_[gid];
  const auto add = [&facts](std::uint32_t uid) {
    if (uid != 0 && facts.members.size() < kMembers) facts.members.push_back(uid);
  };
  const auto [first, last] = by_first_group_->equal_range(gid);
  for (auto member = first; member != last; ++member) add(member->second);
  std::vector<char> buffer(4096);
  ::group entry{};
  if (look_up(gid, entry, buffer, ::getgrgid_r)) {
    facts.name = text_of(entry.gr_name);
    for (char** member = entry.gr_mem; member != nullptr && *member != nullptr; ++member) {
      if (const auto uid = numbers_.find(std::string_view(*member)); uid != numbers_.end()) add(uid->second);
    }
  }
  std::ranges::sort(facts.members);
  const auto [same, end] = std::ranges::unique(facts.members);
  facts.members.erase(same, end);
  return facts;
}

std::uint32_t Accounts::first_ordinary_uid() {
  if (!first_ordinary_) {
    const auto text = ProcDirectory("/etc").text("login.defs");
    first_ordinary_ = (text ? uid_min_of(*text) : std::nullopt).value_or(kFirstOrdinary);
  }
  return *first_ordinary_;
}

}  // namespace lockscope
