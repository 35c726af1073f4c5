// SPDX-License-Identifier: Apache-2.0
// Names of users and groups, and who is known to be a member. Asks the name service, which may be slow where that is a
// network: each number once. Members are those that the group lists, and those of /etc/passwd whose first group it is;
// a directory service may have more. For src/attribution, one thread. 4,096 of each are remembered; beyond, unknown.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lockscope/facts.h"

namespace lockscope {

class Accounts {
 public:
  [[nodiscard]] std::optional<std::string> user(std::uint32_t uid);
  [[nodiscard]] const GroupFacts& group(std::uint32_t gid);
  // UID_MIN of login.defs: where the numbers of people begin.
  [[nodiscard]] std::uint32_t first_ordinary_uid();

 private:
  void read_passwd();

  std::map<std::uint32_t, std::optional<std::string>> users_;
  std::map<std::uint32_t, GroupFacts> groups_;
  std::optional<std::multimap<std::uint32_t, std::uint32_t>> by_first_group_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;
  std::optional<std::uint32_t> first_ordinary_;
};

// The value of UID_MIN in the text of login.defs(5).
[[nodiscard]] std::optional<std::uint32_t> uid_min_of(std::string_view login_defs);

}  // namespace lockscope
